"""Logs of jobs and endpoints: kept as files, read through CloudWatch Logs or followed."""
