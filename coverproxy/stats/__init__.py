"""Counters and records of requests: metrics, history, each key's activity."""
