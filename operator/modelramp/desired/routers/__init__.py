"""Routers: what divides the requests between revisions, one module for each."""
