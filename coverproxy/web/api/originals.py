"""The addresses for uploading covers and managing originals, as /openapi.json describes them."""

from typing import Any

from coverproxy.domain import errors
from coverproxy.service.report_json import ReportJson
from coverproxy.service.uploads import UploadJson
from coverproxy.web import reports_api
from coverproxy.web.api import bodies
from coverproxy.web.api.address import Address, Parameter
from coverproxy.web.api.admin_schemas import BookOriginals, PendingList, ReportList
from coverproxy.web.originals_api import ALL, ONE

JSON = "application/json"

_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary"}},
    "additionalProperties": False,
}
"""Further fields are details of the picture, as in the query of PUT; unknown ones are ignored."""
_TAKEN = (200, 201, 202)
"""200: sent again with the same Idempotency-Key; 201: shown or kept; 202: waits for a review."""
_BINARY: dict[str, Any] = {}
_REFUSED = (
    errors.UnknownKey, errors.WrongSecret, errors.NotAnIsbn, errors.UnknownScheme, errors.BadQuestion,
    errors.NoSuchOriginal, errors.Unavailable,
)  # fmt: skip
_SENT = (
    *_REFUSED, errors.UnreadType, errors.TooLarge, errors.TooSlow, errors.TooFast, errors.Busy,
    errors.SentTwice, errors.BadPicture,
)  # fmt: skip
_WHO = (
    "`Authorization: Bearer` with the owner's secret of the key, or with the admin token. The same "
    "`Idempotency-Key` within a day gets the first answer again."
)
_WITHOUT_A_BOOK = (errors.UnknownKey, errors.WrongSecret, errors.Unavailable)
_PICTURES = {f"image/{name}": _BINARY for name in ("jpeg", "png", "webp", "gif", "tiff", "avif")}
_DETAILS = tuple(
    Parameter(name, "query", text, {"type": "string"}, example)
    for name, text, example in (
        ("source", "The picture's source, for priorities.", "publisher"),
        ("from", "The address or file that it came from.", "cover.jpg"),
        ("licence", "Its licence.", "CC BY 4.0"),
        ("until", "The first day on which it must not be shown.", "2030-01-31"),
        ("no_crop", "1: never crop it.", "1"),
        ("note", "Why, for the book's history.", "the right edition"),
        ("pin", "0: let the rule decide whether it is shown.", "1"),
    )
)


def addresses(key: Parameter) -> tuple[Address, ...]:
    """Describe them; *key* is the path's key."""
    return (*_of_a_book(key), *_of_the_collection(key))


def _of_a_book(key: Parameter) -> tuple[Address, ...]:
    """Describe sending a cover, and deciding on a book's originals."""
    scheme = Parameter("scheme", "path", "isbn", {"type": "string", "enum": ["isbn"]}, "isbn")
    value = Parameter("value", "path", "An ISBN in any spelling.", {"type": "string"}, "9780141439556")
    book = (key, scheme, value)
    one, all_ = "/devkey/{key}/original/{scheme}/{value}", "/devkey/{key}/originals/{scheme}/{value}"
    return (
        Address(one, "Send a cover", {JSON: UploadJson}, "put", parameters=(*book, *_DETAILS),
                takes=_PICTURES, statuses=_TAKEN, refuses=_SENT, tells=_WHO, route=ONE),
        Address(one, "Send a cover with a form", {JSON: UploadJson}, "post", parameters=book, statuses=_TAKEN,
                takes={"multipart/form-data": _FORM, JSON: bodies.BY_URL}, refuses=_SENT, tells=_WHO,
                route=ONE),
        Address(all_, "A book's originals, decisions and history", {JSON: BookOriginals},
                parameters=book, refuses=_REFUSED, tells=_WHO, route=ALL),
        Address(all_, "Pin, unpin, hide, restore, remove, approve or undo", {JSON: BookOriginals}, "post",
                parameters=book, takes={JSON: bodies.ACT}, tells=_WHO, route=ALL,
                refuses=(*_REFUSED, errors.TooLarge, errors.TooSlow)),
    )  # fmt: skip


def _of_the_collection(key: Parameter) -> tuple[Address, ...]:
    """Describe what waits for a review, and what readers report."""
    most = 10**reports_api.MAX_DIGITS - 1
    number = Parameter(
        "number", "path", "The report's number.", {"type": "integer", "minimum": 1, "maximum": most}, 1
    )
    return (
        Address("/devkey/{key}/originals", "What waits for a review", {JSON: PendingList}, parameters=(key,),
                refuses=_WITHOUT_A_BOOK, tells=_WHO),
        Address("/devkey/{key}/reports", "What readers report; ?state=closed: what was decided",
                {JSON: ReportList}, parameters=(key,), tells=_WHO,
                refuses=_WITHOUT_A_BOOK),
        Address("/devkey/{key}/reports/{number}", "Close a report as fixed, hidden or kept",
                {JSON: ReportJson}, "post", parameters=(key, number),
                takes={JSON: bodies.DECISION}, tells=_WHO, route=reports_api.ONE,
                refuses=(errors.UnknownKey, errors.WrongSecret, errors.BadQuestion, errors.NoSuchReport,
                         errors.NoSuchOriginal, errors.TooLarge, errors.TooSlow, errors.Unavailable)),
    )  # fmt: skip
