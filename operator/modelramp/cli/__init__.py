"""The modelramp command, also found by kubectl as a plugin."""
