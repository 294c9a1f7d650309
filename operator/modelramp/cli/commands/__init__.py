"""One module per verb: its options, its help, and the call that does the work."""
