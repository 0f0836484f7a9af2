"""Access: keys, quota, rate limits, self-service, and the links by which nginx knows a key."""
