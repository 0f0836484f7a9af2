"""The download tool: talks to a running service over HTTP, and knows nothing of the server's code."""
