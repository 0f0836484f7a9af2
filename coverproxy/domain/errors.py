"""Errors of the domain. `web/errors.py` maps each to an answer."""

from enum import StrEnum


class CoverError(Exception):
    """Base of everything that keeps a client from getting a cover."""


class NotAnIdentifier(CoverError):
    """The text is not an identifier of the expected scheme, or its check digit is wrong."""

    def __init__(self, text: str, why: str, title: str) -> None:
        super().__init__(f"{text[:60]!r} is not a valid {title}: {why}")
        self.text = text
        self.why = why


class NotAnIsbn(NotAnIdentifier):
    """The text contains no ISBN, or its check digit is wrong."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(text, why, "ISBN")


class UnknownScheme(CoverError):
    """No identifier scheme has that name."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"{name[:40]!r} is not an identifier scheme; expected one of {', '.join(known)}")


class NoSuchSize(CoverError):
    """No size with that name is configured."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"{name[:40]!r} is not a size; expected one of {', '.join(known)}")


class MalformedPath(CoverError):
    """No route of this service has that path."""


class NoCover(CoverError):
    """Every source of originals was tried, and none has a usable original for this identifier."""


class BadPicture(CoverError):
    """The uploaded picture was not accepted. `reason`: a word for programs.

    `kind`: for a file that is not a supported picture, its name in file_kinds.NAMES.
    """

    def __init__(self, reason: str, detail: str, kind: str = "") -> None:
        super().__init__(detail)
        self.reason = reason
        self.kind = kind


class WrongSecret(CoverError):
    """The request does not prove that it comes from the key's owner or an administrator."""


class SentTwice(CoverError):
    """An earlier request used the same Idempotency-Key with a different body."""


class NoSuchOriginal(CoverError):
    """The original to choose, hide, restore, remove or undo does not exist or is not in the right state."""


class NoSuchReport(CoverError):
    """The report does not exist, or is closed already."""


class BadQuestion(CoverError):
    """A malformed API request: a parameter is missing or has the wrong form."""


class UnreadType(CoverError):
    """Unsupported media type of the body."""


class TooLong(CoverError):
    """The address or its query is too long or has too many parts."""


class TooLarge(CoverError):
    """The body is larger than the limit of this address."""


class TooSlow(CoverError):
    """The body did not arrive in time."""


class TooMany(CoverError):
    """The request asks for more items than the limit."""


class InvalidKey(CoverError):
    """The key cannot be used for this request."""


class UnknownKey(InvalidKey):
    """The key does not exist or is revoked. The answer is the same for both, so that nothing leaks."""


class SecretAsKey(UnknownKey):
    """An owner's secret stands where a key belongs. The text does not repeat it."""

    def __init__(self) -> None:
        super().__init__(
            "this is the owner's secret, not the key: use the key, which has no sec_ after cp_; "
            "and get another secret if others may have seen this one"
        )


class KeyNotForSite(InvalidKey):
    """The key is bound to sites, and the request comes from another. `account`: the key's account."""

    def __init__(self, text: str, account: str = "") -> None:
        super().__init__(text)
        self.account = account


class OwnFault(CoverError):
    """A refusal that concerns one key only. Other clients that wait for the same cover do not inherit it.

    `retry_after`: seconds until the client may try again.
    """

    def __init__(self, text: str, key: str, retry_after: float) -> None:
        super().__init__(text)
        self.key = key
        self.retry_after = retry_after

    def concerns(self, key: str, is_automated: bool) -> bool:
        """Return whether a client with this key would be refused as well."""
        return key == self.key


class QuotaUsedUp(OwnFault):
    """The key has used up its quota of new covers for today."""

    def __init__(self, key: str, retry_after: float) -> None:
        super().__init__("the day's quota of this key is used up", key, retry_after)


class TooFast(OwnFault):
    """An automated client exceeds its rate limit for new covers."""

    def __init__(self, key: str, retry_after: float) -> None:
        super().__init__("too many new covers at once for an automated client", key, retry_after)

    def concerns(self, key: str, is_automated: bool) -> bool:
        """Return whether a client with this key would be refused as well: a browser would not."""
        return key == self.key and is_automated


class Busy(CoverError):
    """The render queue is full."""


class Pending(CoverError):
    """The cover is being made, but was not ready within the time that a client waits."""


class Unavailable(CoverError):
    """Originals cannot be reached: our fault or a source's. Never stored in the negative cache."""


class StoreUnavailable(Unavailable):
    """A store (keys, catalogue, source memory, activity) cannot be read or written.

    The text names the store and says what is wrong with it.
    """


class UnusableOriginal(CoverError):
    """This original cannot be rendered: not an image, over a limit, truncated or corrupt."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class DecoderDied(UnusableOriginal):
    """The process that decoded an original died or was killed. `is_late`: killed at its time limit."""

    def __init__(self, how: str, *, is_late: bool = False) -> None:
        super().__init__("died", how)
        self.is_late = is_late


class KeyRequestReason(StrEnum):
    """Why a key was not issued or changed, or a form was not accepted."""

    CLOSED = "closed"
    OWNER = "owner"
    FORM = "form"
    LOGIN = "login"
    ADDRESS = "address"
    CONTACT = "contact"
    DAY = "day"
    FIELD = "field"
    INACTIVE = "inactive"
    ROTATED = "rotated"
    ACTION = "action"


class KeyRequestRefused(CoverError):
    """A key was not issued or changed, or a form was not accepted. `field`: the invalid field."""

    def __init__(self, reason: KeyRequestReason, field: str = "") -> None:
        super().__init__(f"{reason}: {field}" if field else reason)
        self.reason = reason
        self.field = field


class ConfigError(Exception):
    """The configuration has mistakes. The text lists all of them, each with its path."""
