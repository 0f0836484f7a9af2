"""The check of an installation: what to look at, and what to do about it."""
