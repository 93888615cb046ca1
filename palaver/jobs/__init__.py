"""What outlives a request: stored rooms that start to run, and jobs that feed or drain them."""
