"""Where people hear of a rollout: one module per channel."""
