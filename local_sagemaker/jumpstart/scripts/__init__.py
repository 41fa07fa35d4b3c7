"""Inference scripts that are packed into models; each runs alone, in a model's container."""
