"""Workloads: what runs the pods of a revision, one module for each."""
