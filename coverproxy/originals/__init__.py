"""Originals: which there are of an identifier, where they lie, and what may become one."""
