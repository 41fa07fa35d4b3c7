"""The model registry: model packages, their groups and what is attached to them."""
