"""The model server, models, load generator and sample objects that the demo and the end-to-end tests run.

Nothing in here is part of the operator, and the operator imports nothing from here.
"""
