"""From a check to its queries, and from the answers to a verdict: pure."""
