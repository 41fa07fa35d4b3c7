"""Devices at the edge, as records: none reaches this server, and nothing is deployed to one."""
