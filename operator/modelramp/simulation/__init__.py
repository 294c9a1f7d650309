"""The simulated rollout that simulate and backtest share: the real decisions, no cluster."""
