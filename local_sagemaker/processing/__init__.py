"""Processing jobs: a script, its inputs from S3, its outputs to S3."""
