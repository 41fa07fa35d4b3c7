"""Jobs: the queue they wait in, and training jobs from their request to their results."""
