"""What can go wrong with a cover, in the words of the domain; `web/errors.py` turns each into an answer."""

from enum import StrEnum


class CoverError(Exception):
    """Anything that keeps a visitor from getting a cover."""


class NotAnIdentifier(CoverError):
    """The text is not an identifier of the scheme it was read for, or its check digit is wrong."""

    def __init__(self, text: str, why: str, title: str) -> None:
        super().__init__(f"{text[:60]!r} is not a valid {title}: {why}")
        self.text = text
        self.why = why


class NotAnIsbn(NotAnIdentifier):
    """The text has no ISBN, or its check digit is wrong."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(text, why, "ISBN")


class UnknownScheme(CoverError):
    """There is no identifier scheme of that name."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"{name[:40]!r} is not an identifier scheme; expected one of {', '.join(known)}")


class UnknownSize(CoverError):
    """No size of that name is configured."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"{name[:40]!r} is not a size; expected one of {', '.join(known)}")


class MalformedPath(CoverError):
    """The path is none that this service has."""


class NoCover(CoverError):
    """Every original of this identifier was looked for, and there is none that can be shown."""


class PictureRefused(CoverError):
    """What was sent does not become an original. `reason`: a word for programs."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class NotTheOwner(CoverError):
    """Nothing shows that the key's owner, or an administrator, asks for this."""


class SentTwice(CoverError):
    """Another body came before under the same Idempotency-Key."""


class NoSuchOriginal(CoverError):
    """What should be chosen, hidden, restored, removed or undone is not there, or not in that state."""


class BadQuestion(CoverError):
    """A program's question cannot be read: what it should name is missing, or written in another way."""


class UnreadType(CoverError):
    """The body is of a type that is not read."""


class TooLong(CoverError):
    """The address, or its query, is longer or in more parts than any that is read."""


class TooLarge(CoverError):
    """The body has more bytes than are read here."""


class TooSlow(CoverError):
    """The body did not come within the time for it."""


class TooMany(CoverError):
    """More is asked at once than is answered at once."""


class KeyRefused(CoverError):
    """The key cannot be used here."""


class UnknownKey(KeyRefused):
    """No such key, or it is revoked: the two are not told apart, so that nothing leaks."""


class KeyNotForSite(KeyRefused):
    """The key is bound to sites, and the request comes from none of them. `account`: whose it is."""

    def __init__(self, text: str, account: str = "") -> None:
        super().__init__(text)
        self.account = account


class OwnFault(CoverError):
    """A refusal that concerns one key only: others who wait for the same cover do not inherit it.

    `retry_after`: seconds until it may be asked again.
    """

    def __init__(self, text: str, key: str, retry_after: float) -> None:
        super().__init__(text)
        self.key = key
        self.retry_after = retry_after

    def concerns(self, key: str, is_automated: bool) -> bool:
        """Say whether a visitor with this key would be refused as well."""
        return key == self.key


class QuotaExceeded(OwnFault):
    """The key has made as many covers today as it may."""

    def __init__(self, key: str, retry_after: float) -> None:
        super().__init__("the day's quota of this key is used up", key, retry_after)


class TooFast(OwnFault):
    """An automated client asks for more new covers than it may have in a second."""

    def __init__(self, key: str, retry_after: float) -> None:
        super().__init__("too many new covers at once for an automated client", key, retry_after)

    def concerns(self, key: str, is_automated: bool) -> bool:
        """Say whether a visitor with this key would be refused as well: a browser would not."""
        return key == self.key and is_automated


class Busy(CoverError):
    """As many renders run and wait as are allowed."""


class Pending(CoverError):
    """The cover is being made, but is not ready within the time a client waits."""


class Unavailable(CoverError):
    """The originals could not be asked: a fault of ours or of a source, never remembered as "no cover"."""


class StoreUnavailable(Unavailable):
    """A store (keys, catalogue, what is remembered of sources, activity) cannot be read or written.

    The text names the store and says what is wrong with it.
    """


class UnusableOriginal(CoverError):
    """This original cannot become a picture: not an image, over a limit, truncated or corrupt."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class DecoderDied(UnusableOriginal):
    """The process that decoded an original ended, or had to be ended. `is_late`: for want of an end."""

    def __init__(self, how: str, *, is_late: bool = False) -> None:
        super().__init__("died", how)
        self.is_late = is_late


class KeyRequestReason(StrEnum):
    """Why a key is not given or not changed, or a form not taken."""

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
    """A key is not given, or not changed, or a form not taken. `field`: which answer is at fault."""

    def __init__(self, reason: KeyRequestReason, field: str = "") -> None:
        super().__init__(f"{reason}: {field}" if field else reason)
        self.reason = reason
        self.field = field


class ConfigError(Exception):
    """The configuration has mistakes; the text lists all of them, each with its path."""
