"""Batch transform: a model's answers for everything that lies under a prefix of S3."""
