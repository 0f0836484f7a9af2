"""What is counted and remembered of requests: metrics, history, each key's activity."""
