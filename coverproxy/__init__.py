"""A book cover service: one URL per ISBN and size, made once, counted per key and day."""

__version__ = "0.1.0"
