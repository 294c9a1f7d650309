"""Judge numbers from a file by one check or by the A/B test."""
