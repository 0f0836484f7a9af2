"""The admin pages that put originals right: decisions about one, and the review of what people sent."""

from collections.abc import Callable
from functools import partial

from aiohttp import web

from coverproxy.domain import schemes
from coverproxy.domain.decisions import Decision
from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused, NoSuchOriginal, NotAnIdentifier
from coverproxy.domain.original import DIGEST_BYTES
from coverproxy.domain.spec import Identifier
from coverproxy.service.book_json import original_as_json
from coverproxy.service.curate import Curator
from coverproxy.web.api.admin_schemas import AdminReview
from coverproxy.web.app_keys import ACCOUNTS, CURATOR
from coverproxy.web.pages import admin_books, forms
from coverproxy.web.pages.lookup import asked
from coverproxy.web.pages.page import shown
from coverproxy.web.pages.session import admin, form, who

routes = web.RouteTableDef()

MOST_PENDING = 30
"""Shown at once: a form has some forty fields."""

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
    book, by = _book(fields), decision(request, fields)
    curator = request.app[CURATOR]
    try:
        await asked(request, partial(_decide, curator, book, fields, by))
    except NoSuchOriginal as exc:
        return await admin_books.page(request, book.listed, fault=str(exc))
    return await admin_books.page(request, book.listed, done=fields["act"])


def _decide(curator: Curator, book: Identifier, fields: dict[str, str], by: Decision) -> None:
    """Decide. Blocks. Raises NoSuchOriginal, KeyRequestRefused for what no button of ours sends."""
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


@routes.get("/admin/review")
@admin
async def review(request: web.Request) -> web.StreamResponse:
    """Show what waits for a review, oldest first."""
    return await _review(request)


@routes.post("/admin/review")
@admin
async def judge(request: web.Request) -> web.StreamResponse:
    """Approve or hide all ticked pictures, except those that somebody decided meanwhile."""
    fields = await form(request)
    act = fields.get("act", "")
    if act not in ("approve", "hide"):
        raise KeyRequestRefused(KeyRequestReason.ACTION)
    picked = [value for name, value in fields.items() if name.startswith("pick-")]
    by = decision(request, fields)
    done = 0
    for each in picked:
        digest, _, name = each.partition(" ")
        wish = {"act": act, "digest": digest}
        try:
            await asked(request, partial(_decide, request.app[CURATOR], _book({"isbn": name}), wish, by))
            done += 1
        except NoSuchOriginal:
            continue
    return await _review(request, done)


async def _review(request: web.Request, done: int | None = None) -> web.Response:
    found = await asked(request, partial(request.app[CURATOR].pending, MOST_PENDING))
    data: AdminReview = {
        "pending": [
            {"name": each.identifier.listed, **original_as_json(each, is_shown=False)} for each in found
        ],
        "done": done,
    }
    return shown(request, "admin_review.html", data, token=forms.token(request, who(request)))


def _book(fields: dict[str, str]) -> Identifier:
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
