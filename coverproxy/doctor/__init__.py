"""The doctor: checks an installation, and says how to fix it."""
