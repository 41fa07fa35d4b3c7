"""What `killed_server.py` is made of: a client-side ledger, writers, and what checks them."""
