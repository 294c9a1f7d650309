"""What lint knows beyond the schema: one module per part of the spec."""
