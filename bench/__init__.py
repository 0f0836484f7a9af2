"""Benchmarks: each docstring holds its question and its command; the figures are in results/."""
