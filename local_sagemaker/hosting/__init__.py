"""Endpoints: from a model and a configuration to processes that answer, and the way to them."""
