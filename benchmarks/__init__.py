"""What the statistics are worth (operating curves) and what the work costs (budget): `python -m benchmarks [NAME]`."""
