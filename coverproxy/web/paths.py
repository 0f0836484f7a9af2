"""Identifiers as the ends of our own addresses."""

from urllib.parse import quote

from coverproxy.domain.identifier import Identifier


def path_of(identifier: Identifier) -> str:
    """Return the end of an identifier's address; only what is plain in a path stays as it is."""
    return f"{identifier.scheme}/{quote(identifier.value, safe='')}"
