"""Experiments, their metrics and lineage, and the search over them."""
