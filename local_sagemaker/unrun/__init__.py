"""Jobs that this server takes note of and does not run: they have failed, and say why."""
