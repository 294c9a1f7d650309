"""Runs the decisions: store, ticker, queries, writes. Knows the world only through the Protocols in ports."""
