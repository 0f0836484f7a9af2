"""A book's originals, decisions and history as JSON, for the command line and the API."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict  # pydantic does not read the one of typing before 3.12

from coverproxy.domain.decisions import Act, Decision, Deed
from coverproxy.domain.identifier import ISBN
from coverproxy.domain.json_fields import Count, Digest, Isbn13, Moment, Px
from coverproxy.domain.moment import iso
from coverproxy.domain.original import Original, OriginalState
from coverproxy.service.curate import Book


class DecisionJson(TypedDict):
    """A person's decision about a book or an original."""

    who: str
    at: Moment
    note: str


class ScoreJson(TypedDict):
    """What decides which original is best, in the order in which it does; source and date follow."""

    pinned: bool
    front: bool
    odd: Annotated[bool, Field(description="Not shaped as covers are.")]
    detail: Annotated[
        float | None,
        Field(description="The share of its pixels along a side that show detail; null: not measured yet."),
    ]
    content: Annotated[
        float | None,
        Field(description="The share of its area that is not border; null: not measured yet."),
    ]
    effective: Annotated[
        list[int], Field(description="Its width and height in px, as far as they show detail.")
    ]


class OriginalJson(TypedDict):
    """One original of a book, with its terms and its score."""

    of: Annotated[str, Field(description="Its identifier, as scheme:value.")]
    digest: Digest
    shown: bool
    pinned: bool
    state: OriginalState | None
    fault: Annotated[str | None, Field(description="Why it cannot be rendered; null: it can.")]
    role: Annotated[str | None, Field(description="back, spine, inside …; null: a front cover.")]
    width: Px
    height: Px
    bytes: Count
    type: Annotated[str, Field(description="jpeg, png, webp, gif, tiff or heif.")]
    date: Moment
    added: Moment
    source: str
    origin: Annotated[str | None, Field(description="The address or file that it came from.")]
    who: Annotated[str | None, Field(description="Who sent it, if a person did.")]
    licence: str | None
    until: Annotated[Moment | None, Field(description="From when on it is not shown.")]
    no_crop: bool
    score: ScoreJson


class PendingOriginal(OriginalJson):
    """An original that waits for a review."""

    isbn13: Annotated[Isbn13 | None, Field(description="The book's, if it has one.")]


class BookJson(TypedDict):
    """A book's originals, best first, and the decisions about it."""

    identifier: Annotated[str, Field(description="scheme:value")]
    isbn13: Isbn13 | None
    hidden: Annotated[DecisionJson | None, Field(description="Who hid all of it; null: nobody.")]
    originals: list[OriginalJson]
    hidden_digests: Annotated[dict[str, DecisionJson], Field(description="By the digest of an original.")]


class DeedJson(TypedDict):
    """An entry of a book's history."""

    number: Annotated[int, Field(ge=1)]
    at: Moment
    who: str
    act: Act
    digest: Digest | None
    source: str | None
    origin: str | None
    note: str
    can_undo: bool


def book_as_json(book: Book) -> BookJson:
    """Return a book's originals, best first, and the decisions about it."""
    best = book.best
    return {
        "identifier": str(book.identifier),
        "isbn13": book.identifier.value if book.identifier.scheme == ISBN else None,
        "hidden": _decision(book.hidden_book) if book.hidden_book else None,
        "originals": [original_as_json(each, is_shown=each is best) for each in book.originals],
        "hidden_digests": {digest.hex(): _decision(each) for digest, each in book.hidden.items()},
    }


def original_as_json(each: Original, *, is_shown: bool) -> OriginalJson:
    """Return one original. Times are ISO 8601 in UTC, sizes px and bytes."""
    return {
        "of": str(each.identifier), "digest": each.digest.hex(), "shown": is_shown, "pinned": each.is_pinned,
        "state": each.state, "fault": each.fault, "role": each.role,
        "width": each.width, "height": each.height, "bytes": each.bytes, "type": each.loader.value,
        "date": iso(each.date), "added": iso(each.added / 1000), "source": each.source,
        "origin": each.origin, "who": each.who, "licence": each.terms.licence,
        "until": iso(each.terms.until) if each.terms.until is not None else None,
        "no_crop": each.terms.no_crop, "score": score_as_json(each),
    }  # fmt: skip


def score_as_json(each: Original) -> ScoreJson:
    """Return what decides which original is best."""
    share = 1.0 if each.detail is None else each.detail
    return {
        "pinned": each.is_pinned, "front": each.role is None, "odd": each.is_odd,
        "detail": each.detail, "content": each.content,
        "effective": [round(each.width * share), round(each.height * share)],
    }  # fmt: skip


def waiting_as_json(each: Original) -> PendingOriginal:
    """Return one original that waits for a review, and its book."""
    isbn13 = each.identifier.value if each.identifier.scheme == ISBN else None
    return {"isbn13": isbn13, **original_as_json(each, is_shown=False)}


def deed_as_json(deed: Deed) -> DeedJson:
    """Return an entry of a book's history."""
    return {
        "number": deed.number, "at": iso(deed.at), "who": deed.who, "act": deed.act,
        "digest": deed.digest.hex() if deed.digest else None, "source": deed.source, "origin": deed.origin,
        "note": deed.note, "can_undo": deed.was is not None,
    }  # fmt: skip


def _decision(decision: Decision) -> DecisionJson:
    return {"who": decision.who, "at": iso(decision.at), "note": decision.note}
