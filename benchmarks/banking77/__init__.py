"""What `few_shot.py` is made of: a fixed split of the real Banking77, measured points, tables."""
