"""What Docker would have done: private folders, environments, supervised processes.

Nothing in here knows what a container is for.
"""
