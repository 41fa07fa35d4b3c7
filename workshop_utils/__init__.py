"""What a notebook cell of the workshop calls; it knows SageMaker, not where it runs."""
