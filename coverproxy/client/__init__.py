"""The download tool: asks a running service, knows nothing of the server's inside."""
