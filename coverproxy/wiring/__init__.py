"""Where services are built from their parts; the only package that knows all of them.

Import a module of it, never the package: a command then loads only what it needs.
"""
