"""What was asked of the server, how it went and how long it took."""
