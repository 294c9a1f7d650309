"""What must be open before a version may get traffic: one module per kind of gate."""
