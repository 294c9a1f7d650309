"""Every network call of the operator: each module here fulfils a port of the engine."""
