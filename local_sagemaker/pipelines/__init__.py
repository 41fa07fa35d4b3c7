"""Pipelines as records: their definitions and the versions of these."""
