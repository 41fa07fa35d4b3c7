"""The Resource Groups Tagging API: what carries tags in an account and a region, and which."""
