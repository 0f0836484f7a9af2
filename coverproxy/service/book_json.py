"""A book's originals, decisions and history as JSON, for the command line and the API."""

from datetime import UTC, datetime
from typing import Any

from coverproxy.domain.decisions import Decision, Deed
from coverproxy.domain.identifier import ISBN
from coverproxy.domain.original import Original
from coverproxy.service.curate import Book


def book_as_json(book: Book) -> dict[str, Any]:
    """Return a book's originals, best first, and the decisions about it."""
    best = book.best
    return {
        "identifier": str(book.identifier),
        "isbn13": book.identifier.value if book.identifier.scheme == ISBN else None,
        "hidden": _decision(book.hidden_book),
        "originals": [original_as_json(each, is_shown=each is best) for each in book.originals],
        "hidden_digests": {digest.hex(): _decision(each) for digest, each in book.hidden.items()},
    }


def original_as_json(each: Original, *, is_shown: bool) -> dict[str, Any]:
    """Return one original. Times are ISO 8601 in UTC, sizes px and bytes."""
    return {
        "of": str(each.identifier), "digest": each.digest.hex(), "shown": is_shown, "pinned": each.is_pinned,
        "state": each.state.value if each.state else None, "fault": each.fault, "role": each.role,
        "width": each.width, "height": each.height, "bytes": each.bytes, "type": each.loader.value,
        "date": iso(each.date), "added": iso(each.added / 1000), "source": each.source,
        "origin": each.origin, "who": each.who, "licence": each.terms.licence,
        "until": iso(each.terms.until) if each.terms.until is not None else None,
        "no_crop": each.terms.no_crop, "score": score_as_json(each),
    }  # fmt: skip


def score_as_json(each: Original) -> dict[str, Any]:
    """Write down what decides which original is best, in the order in which it does; source and date follow.

    `detail`: the share of its pixels along a side that show detail; `content`: the share of its area that is
    not border; None: not measured yet. `effective`: its width and height in px as far as they show detail.
    """
    share = 1.0 if each.detail is None else each.detail
    return {
        "pinned": each.is_pinned, "front": each.role is None, "odd": each.is_odd,
        "detail": each.detail, "content": each.content,
        "effective": [round(each.width * share), round(each.height * share)],
    }  # fmt: skip


def waiting_as_json(each: Original) -> dict[str, Any]:
    """Write down one original that waits for a review, and whose it is."""
    isbn13 = each.identifier.value if each.identifier.scheme == ISBN else None
    return {"isbn13": isbn13} | original_as_json(each, is_shown=False)


def deed_as_json(deed: Deed) -> dict[str, Any]:
    """Return an entry of a book's history."""
    return {
        "number": deed.number, "at": iso(deed.at), "who": deed.who, "act": deed.act.value,
        "digest": deed.digest.hex() if deed.digest else None, "source": deed.source, "origin": deed.origin,
        "note": deed.note, "can_undo": deed.was is not None,
    }  # fmt: skip


def _decision(decision: Decision | None) -> dict[str, str] | None:
    if decision is None:
        return None
    return {"who": decision.who, "at": iso(decision.at), "note": decision.note}


def iso(seconds: float) -> str:
    """Format a time in UTC (ISO 8601)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
