"""Pipelines: their definitions, and the engine that executes them."""
