"""Statistics over plain numbers: no checks, no queries, no rollout."""
