"""Another edition in place of a missing cover: which requests want one, and how the answer says so."""

from aiohttp import web

from coverproxy.domain.api_key import Key
from coverproxy.domain.editions import EditionLink, Relation
from coverproxy.domain.identifier import ISBN

MAX_AGE_SECONDS = 86_400
"""How long a stand-in may be kept: the item's own cover may come."""


def farthest(request: web.Request, key: Key, *, own: bool) -> Relation | None:
    """Return how far another edition may be: as `?fallback=` says, else as the key has it; None: none.

    *own*: the address is one of ours; queries of other services' shapes are theirs. A word that is not known
    means none, as that of `?default=` means nothing: an image on a page is not to break over it.
    """
    said = request.query.get("fallback", "").lower() if own else ""
    known = {str(each): each for each in Relation}
    return known.get(said or key.fallback)


def headers(link: EditionLink, address: str) -> dict[str, str]:
    """Return what the answer says of the edition that it shows; *address*: that edition's own, if any."""
    other, located = link.other, {"Content-Location": address} if address else {}
    return located | {
        "X-Cover-Status": "edition",
        "X-Cover-Edition": other.value if other.scheme == ISBN else str(other).encode().decode("latin-1"),
        "X-Cover-Relation": link.relation,
        "Cache-Control": f"public, max-age={MAX_AGE_SECONDS}",
    }
