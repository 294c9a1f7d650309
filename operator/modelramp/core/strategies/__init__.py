"""How a new revision proves itself: one file per strategy, and one line in the registry."""
