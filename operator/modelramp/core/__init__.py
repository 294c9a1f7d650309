"""The rollout decisions, pure: (spec, state, what was seen, ticks, now) -> (state', findings)."""
