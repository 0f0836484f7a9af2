"""Limits on request addresses. The app and nginx refuse anything longer."""

MAX_PATH_BYTES = 2048
"""Longest path, in bytes as sent. The longest valid path is a DOI in percent-encoding."""

LONG_PATHS = "/api/volumes/brief/json/"
"""Where a list of identifiers stands in the path itself (Open Library's Read API)."""

MAX_LONG_PATH_BYTES = 16_384
"""Longest path there, in bytes as sent."""

MAX_SEGMENTS = 20
"""Most slashes in a path. aiohttp's router tries and copies the path once per slash: n² work."""

MAX_QUERY_BYTES = 4096
"""Longest query, in bytes, on addresses that do not take lists of identifiers."""

MANY_AT_ONCE = frozenset({"info", "books", "books.json", "get", "cover", "covers", "products"})
"""Last path segments of addresses that take a long query: up to a thousand identifiers."""

LIST_AT_ROOT = r"/*(?:devkey/+[^/?]+/*)?\?(?=(?:.*&)?(?i:size)=[SMLsml](?:&|\z))(?:.*&)?(?i:isbn)="
"""Beginning of targets that do without such a segment: ChiliFresh's, with all numbers of a record.

A set of encyclopedias has hundreds, and Evergreen counts a refusal. As nginx reads it, and Python with \\Z.
"""
