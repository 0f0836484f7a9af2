"""How long the addresses that mean anything are at most: the app and nginx in front refuse all others."""

MAX_PATH_BYTES = 2048
"""A path at most, as it is sent: the longest that means anything is a DOI, written in %XX."""

MAX_SEGMENTS = 20
"""Slashes of a path at most. aiohttp's router looks at a path once for each, and copies it: n² of work."""

MAX_QUERY_BYTES = 4096
"""A query at most, where an address is not asked for many identifiers at once."""

MANY_AT_ONCE = frozenset({"info", "books", "get", "cover", "covers", "products"})
"""Last segments of addresses that take a long query: a thousand identifiers."""
