"""Derivatives on disk and in memory: layout, budget, eviction, negative cache."""
