"""Identifiers as the ends of our own addresses, and pictures' addresses with their version."""

from urllib.parse import quote

from aiohttp import web

from coverproxy.domain import schemes
from coverproxy.domain.errors import CoverError, MalformedPath, NotAnIdentifier
from coverproxy.domain.identifier import Identifier
from coverproxy.domain.original import Original
from coverproxy.domain.schemes import for_people, unlisted


def item_of(request: web.Request, ambiguous: type[CoverError]) -> Identifier:
    """Return the item that a page's address names.

    Raises MalformedPath if it names none, and *ambiguous*, which lists them, if it can mean several.
    """
    try:
        reading = schemes.parse(request.match_info["scheme"], request.match_info["value"])
    except NotAnIdentifier as exc:
        raise MalformedPath(str(exc)) from exc
    if reading.sure is None:
        raise ambiguous("this can mean any of " + ", ".join(each.listed for each in reading.identifiers))
    return reading.sure


def path_of(identifier: Identifier) -> str:
    """Return the end of an identifier's address, with all but plain characters quoted."""
    return f"{identifier.scheme}/{quote(identifier.value, safe='')}"


def path_of_name(name: str) -> str:
    """Return the same for an identifier as lists and pages have it: `9780141439556`, `local:agency:42`."""
    return path_of(unlisted(name))


def name_for_people(name: str) -> str:
    """Return such an identifier as people write it: ISBN 978-0-14-143955-6."""
    return for_people(unlisted(name))


def versioned(address: str, original: Original) -> str:
    """Return the address of a picture made of *original* with its version, so that it may be kept for ever.

    Only for pages and answers that are made for each request: an address copied elsewhere would stay with
    this version, of which nothing is promised once another picture is shown.
    """
    return f"{address}{'&' if '?' in address else '?'}v={original.version}"
