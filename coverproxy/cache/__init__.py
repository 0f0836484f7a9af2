"""Derivatives on disk: where they lie, who makes one, and which keys a web server may serve."""
