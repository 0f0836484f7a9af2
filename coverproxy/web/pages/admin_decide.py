"""The admin forms that decide about an original."""

from collections.abc import Callable
from functools import partial

from aiohttp import web

from coverproxy.domain import schemes
from coverproxy.domain.decisions import Decision
from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused, NoSuchOriginal, NotAnIdentifier
from coverproxy.domain.original import DIGEST_BYTES
from coverproxy.domain.spec import Identifier
from coverproxy.service.curate import Curator
from coverproxy.web.app_keys import ACCOUNTS, CURATOR
from coverproxy.web.pages import admin_books
from coverproxy.web.pages.lookup import asked
from coverproxy.web.pages.session import admin, form, who

routes = web.RouteTableDef()

Act = Callable[[Curator, Identifier, bytes, Decision], object]

ACTS: dict[str, Act] = {
    "pin": Curator.pin, "hide": Curator.hide, "restore": Curator.restore, "approve": Curator.approve,
    "remove": Curator.remove, "hide_everywhere": Curator.hide_everywhere,
    "restore_everywhere": Curator.restore_everywhere,
    "unpin": lambda curator, book, _, by: curator.unpin(book, by),
}  # fmt: skip
"""What an administrator may do to one original, by the name of the button."""

BOOK_ACTS: dict[str, Callable[[Curator, Identifier, None, Decision], object]] = {
    "hide_book": Curator.hide, "restore_book": Curator.restore,
}  # fmt: skip
"""What an administrator may do to all originals of a book."""


@routes.post("/admin/decide")
@admin
async def decide(request: web.Request) -> web.StreamResponse:
    """Do what the form's button says to an original of a book, and show the book again."""
    fields = await form(request)
    book, by = book_of(fields), decision(request, fields)
    curator = request.app[CURATOR]
    try:
        await asked(request, partial(decide_one, curator, book, fields, by))
    except NoSuchOriginal as exc:
        return await admin_books.page(request, book.listed, fault=str(exc))
    return await admin_books.page(request, book.listed, done=fields["act"])


def decide_one(curator: Curator, book: Identifier, fields: dict[str, str], by: Decision) -> None:
    """Decide. Blocks. Raises NoSuchOriginal, KeyRequestRefused for an unknown action."""
    act = fields.get("act", "")
    if act == "undo":
        number = fields.get("number", "")
        if not number.isascii() or not number.isdecimal() or len(number) > 18:
            raise KeyRequestRefused(KeyRequestReason.FIELD, "number")
        curator.undo(int(number), by, of=book)
    elif act in BOOK_ACTS:
        BOOK_ACTS[act](curator, book, None, by)
    elif act in ACTS:
        ACTS[act](curator, book, _digest(fields.get("digest", "")), by)
    else:
        raise KeyRequestRefused(KeyRequestReason.ACTION)


def book_of(fields: dict[str, str]) -> Identifier:
    """Return the book that a form names. Raises KeyRequestRefused."""
    try:
        reading = schemes.read(fields.get("isbn", ""))
    except NotAnIdentifier as exc:
        raise KeyRequestRefused(KeyRequestReason.FIELD, "isbn") from exc
    return reading.identifiers[0]


def _digest(text: str) -> bytes:
    if len(text) != 2 * DIGEST_BYTES or set(text) - set("0123456789abcdef"):
        raise KeyRequestRefused(KeyRequestReason.FIELD, "digest")
    return bytes.fromhex(text)


def decision(request: web.Request, fields: dict[str, str]) -> Decision:
    """Return who decides: the name that the front server gives, or "admin" for the password."""
    kind, _, name = who(request).partition(" ")
    person = name[:100] if kind == "front" and name else "admin"
    return Decision(person, int(request.app[ACCOUNTS].now()), fields.get("note", "").strip()[:500])
