"""The one table that maps errors of the domain to answers."""

from dataclasses import dataclass, replace

from coverproxy.domain import errors
from coverproxy.domain.cover_status import CoverStatus
from coverproxy.domain.errors import KeyRequestReason


@dataclass(frozen=True, slots=True)
class Meaning:
    """How an error is answered.

    `label`: X-Cover-Status, and the metric's label. `status`: for strict clients. `title`: the public text.
    `is_hard`: lenient clients get the status too, with the placeholder as its body. `keep`: cacheability of
    the answer: "missing" (its own max-age) or "no" (no-store). `page`: the page's own text of this error, if
    it is not the label's.
    """

    label: CoverStatus
    status: int
    title: str
    is_hard: bool = False
    keep: str = "no"
    page: str = ""

    @property
    def text(self) -> str:
        """The name of the text that pages show."""
        return f"error.{self.page or self.label}"


def _line(label: CoverStatus, title: str, *, is_hard: bool = False, keep: str = "no") -> Meaning:
    return Meaning(label, label.http_status, title, is_hard, keep)


TABLE: dict[type[errors.CoverError], Meaning] = {
    errors.NoCover: _line(CoverStatus.MISSING, "No cover is known for this ISBN", keep="missing"),
    errors.NotAnIsbn: _line(CoverStatus.INVALID, "This is not an ISBN", keep="missing"),
    errors.NotAnIdentifier: _line(CoverStatus.INVALID, "This is not a valid identifier", keep="missing"),
    errors.UnknownScheme: _line(CoverStatus.PATH, "There is no such identifier scheme", is_hard=True),
    errors.QuotaUsedUp: _line(CoverStatus.QUOTA, "The day's quota of this key is used up"),
    errors.TooFast: _line(CoverStatus.THROTTLED, "Too many new covers at once for an automated client"),
    errors.Busy: _line(CoverStatus.PENDING, "The cover is not made yet: the service is busy"),
    errors.Pending: _line(CoverStatus.PENDING, "The cover is not made yet: ask again"),
    errors.Unavailable: _line(CoverStatus.UNAVAILABLE, "The cover cannot be looked up right now"),
    errors.StoreUnavailable: _line(CoverStatus.UNAVAILABLE, "The cover cannot be looked up right now"),
    errors.UnknownKey: _line(CoverStatus.KEY, "This key is not known, or revoked", is_hard=True),
    errors.SecretAsKey: Meaning(
        CoverStatus.KEY, 403, "This is the owner's secret, not the key", is_hard=True, page="secret"
    ),
    errors.KeyNotForSite: _line(CoverStatus.KEY, "This key is bound to other sites", is_hard=True),
    errors.NoSuchSize: _line(CoverStatus.SIZE, "There is no such size", is_hard=True),
    errors.BadQuestion: _line(CoverStatus.QUESTION, "Malformed request", is_hard=True),
    errors.UnreadType: _line(CoverStatus.TYPE, "Unsupported media type", is_hard=True),
    errors.TooMany: _line(CoverStatus.MANY, "Too many identifiers at once", is_hard=True),
    errors.TooLong: _line(CoverStatus.LONG, "The address is too long", is_hard=True),
    errors.TooLarge: _line(CoverStatus.LARGE, "The body is too large", is_hard=True),
    errors.TooSlow: _line(CoverStatus.SLOW, "The body did not arrive in time", is_hard=True),
    errors.BadPicture: _line(CoverStatus.REFUSED, "This picture is not accepted", is_hard=True),
    errors.WrongSecret: _line(CoverStatus.OWNER, "Only the key's owner may do this", is_hard=True),
    errors.SentTwice: _line(CoverStatus.TWICE, "This Idempotency-Key had another body", is_hard=True),
    errors.NoSuchOriginal: _line(CoverStatus.ORIGINAL, "There is no such original", is_hard=True),
    errors.NoSuchReport: _line(CoverStatus.PATH, "There is no such report", is_hard=True),
    errors.MalformedPath: _line(CoverStatus.PATH, "There is no such page", is_hard=True),
    errors.KeyRequestRefused: _line(CoverStatus.FORM, "This form is not accepted", is_hard=True),
}

KEY_REQUESTS: dict[KeyRequestReason, int] = {
    KeyRequestReason.CLOSED: 403,
    KeyRequestReason.OWNER: 403,
    KeyRequestReason.FORM: 403,
    KeyRequestReason.LOGIN: 403,
    KeyRequestReason.ADDRESS: 429,
    KeyRequestReason.CONTACT: 429,
    KeyRequestReason.DAY: 429,
    KeyRequestReason.FIELD: 400,
    KeyRequestReason.INACTIVE: 409,
    KeyRequestReason.ROTATED: 409,
    KeyRequestReason.ACTION: 400,
}
"""The status by reason of a KeyRequestRefused, which has one row in the table; a test compares them."""


def told(error: errors.CoverError) -> str:
    """Return what clients are told beside the title.

    Not why a store cannot be used: that is for the operator, in the log and in /readyz, and names paths.
    """
    return meaning(error).title if isinstance(error, errors.StoreUnavailable) else str(error)


def meaning(error: errors.CoverError) -> Meaning:
    """Return how an error is answered. An unknown error is our fault: "cannot be looked up right now"."""
    how = TABLE.get(type(error), TABLE[errors.Unavailable])
    if isinstance(error, errors.KeyRequestRefused):
        return replace(how, status=KEY_REQUESTS[error.reason])
    return how
