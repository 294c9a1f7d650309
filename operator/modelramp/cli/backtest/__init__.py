"""Replay recorded history through the decisions, and report what they would have done."""
