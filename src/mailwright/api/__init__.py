"""The HTTP API: it translates between HTTP and `connector.calls`, and does nothing else."""
