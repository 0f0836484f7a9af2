"""The one table: what each error of the domain means to a client."""

from dataclasses import dataclass

from coverproxy.domain import errors


@dataclass(frozen=True, slots=True)
class Meaning:
    """How an error is answered.

    `label`: X-Cover-Status, and the metric's label. `status`: what a strict client gets. `title`: the
    public text. `is_hard`: lenient clients get the status too, with the placeholder as its body. `keep`:
    how long the answer may be kept: "missing" (its own max-age) or "no" (no-store).
    """

    label: str
    status: int
    title: str
    is_hard: bool = False
    keep: str = "no"


TABLE: dict[type[errors.CoverError], Meaning] = {
    errors.NoCover: Meaning("missing", 404, "No cover is known for this ISBN", keep="missing"),
    errors.NotAnIsbn: Meaning("invalid", 400, "This is not an ISBN", keep="missing"),
    errors.NotAnIdentifier: Meaning("invalid", 400, "This is not a valid identifier", keep="missing"),
    errors.UnknownScheme: Meaning("path", 404, "There is no such identifier scheme", is_hard=True),
    errors.QuotaExceeded: Meaning("quota", 429, "The day's quota of this key is used up"),
    errors.TooFast: Meaning("throttled", 429, "Too many new covers at once for an automated client"),
    errors.Busy: Meaning("pending", 503, "The cover is not made yet: the service is busy"),
    errors.Pending: Meaning("pending", 503, "The cover is not made yet: ask again"),
    errors.Unavailable: Meaning("unavailable", 503, "The cover cannot be looked up right now"),
    errors.StoreUnavailable: Meaning("unavailable", 503, "The cover cannot be looked up right now"),
    errors.UnknownKey: Meaning("key", 403, "This key is not known, or revoked", is_hard=True),
    errors.KeyNotForSite: Meaning("key", 403, "This key is bound to other sites", is_hard=True),
    errors.UnknownSize: Meaning("size", 404, "There is no such size", is_hard=True),
    errors.BadQuestion: Meaning("question", 400, "The question cannot be read", is_hard=True),
    errors.UnreadType: Meaning("type", 415, "A body of this type is not read", is_hard=True),
    errors.TooMany: Meaning("many", 400, "This is more than is answered at once", is_hard=True),
    errors.TooLong: Meaning("long", 414, "The address is too long", is_hard=True),
    errors.TooLarge: Meaning("large", 413, "The body is too large", is_hard=True),
    errors.TooSlow: Meaning("slow", 408, "The body did not come in time", is_hard=True),
    errors.PictureRefused: Meaning("refused", 422, "This picture is not taken", is_hard=True),
    errors.NotTheOwner: Meaning("owner", 403, "Only the key's owner may do this", is_hard=True),
    errors.SentTwice: Meaning("twice", 409, "Another body came under this Idempotency-Key", is_hard=True),
    errors.NoSuchOriginal: Meaning("original", 404, "There is no such original", is_hard=True),
    errors.MalformedPath: Meaning("path", 404, "There is no such page", is_hard=True),
}


def meaning(error: errors.CoverError) -> Meaning:
    """Return what an error means. Anything unforeseen is ours: it cannot be looked up right now."""
    return TABLE.get(type(error), TABLE[errors.Unavailable])
