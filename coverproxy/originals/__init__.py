"""Originals: what exists for an identifier, where it is stored, and what may become one."""
