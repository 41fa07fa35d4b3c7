"""CloudWatch's metrics: what endpoints measured, and what programs put there."""
