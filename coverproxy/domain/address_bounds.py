"""Limits on request addresses. The app and nginx refuse anything longer."""

MAX_PATH_BYTES = 2048
"""Longest path, in bytes as sent. The longest valid path is a DOI in percent-encoding."""

MAX_SEGMENTS = 20
"""Most slashes in a path. aiohttp's router tries and copies the path once per slash: n² work."""

MAX_QUERY_BYTES = 4096
"""Longest query, in bytes, on addresses that do not take lists of identifiers."""

MANY_AT_ONCE = frozenset({"info", "books", "get", "cover", "covers", "products"})
"""Last path segments of addresses that take a long query: up to a thousand identifiers."""
