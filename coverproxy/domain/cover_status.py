"""The values of X-Cover-Status: the result of a request, for answers, metrics, history and clients."""

from enum import Enum, StrEnum


class Outcome(Enum):
    """The kind of result, for counting."""

    COVER = "a cover"
    NONE = "there is no cover"
    REFUSAL = "the request cannot be answered as it is"
    FAILURE = "it is not the request's fault: ask again"


class CoverStatus(StrEnum):
    """The result of a request. `http_status`: sent to clients that ask for errors as statuses.

    Give a new word its outcome here. Everything that counts, shows or parses words derives from this enum.
    """

    http_status: int
    outcome: Outcome
    is_noted: bool
    """Whether to show it to the key's owner, who can do something about it, or whose users can."""

    def __new__(
        cls, word: str, http_status: int = 200, outcome: Outcome = Outcome.COVER, is_noted: bool = False
    ) -> "CoverStatus":
        """Create a member; only the class body calls this."""
        made = str.__new__(cls, word)
        made._value_ = word
        made.http_status, made.outcome, made.is_noted = http_status, outcome, is_noted
        return made

    HIT = "hit"
    MADE = "made"
    EDITION = "edition", 200, Outcome.NONE
    MISSING = "missing", 404, Outcome.NONE
    INVALID = "invalid", 400, Outcome.REFUSAL, True
    QUOTA = "quota", 429, Outcome.REFUSAL, True
    THROTTLED = "throttled", 429, Outcome.REFUSAL, True
    PENDING = "pending", 503, Outcome.FAILURE
    UNAVAILABLE = "unavailable", 503, Outcome.FAILURE
    KEY = "key", 403, Outcome.REFUSAL, True
    SIZE = "size", 404, Outcome.REFUSAL, True
    PATH = "path", 404, Outcome.REFUSAL
    METHOD = "method", 405, Outcome.REFUSAL
    QUESTION = "question", 400, Outcome.REFUSAL
    TYPE = "type", 415, Outcome.REFUSAL
    MANY = "many", 400, Outcome.REFUSAL
    LONG = "long", 414, Outcome.REFUSAL
    LARGE = "large", 413, Outcome.REFUSAL
    SLOW = "slow", 408, Outcome.REFUSAL
    REFUSED = "refused", 422, Outcome.REFUSAL
    OWNER = "owner", 403, Outcome.REFUSAL
    TWICE = "twice", 409, Outcome.REFUSAL
    ORIGINAL = "original", 404, Outcome.REFUSAL
    FORM = "form", 400, Outcome.REFUSAL

    @property
    def is_refusal(self) -> bool:
        """Whether the request is at fault, or its key."""
        return self.outcome is Outcome.REFUSAL

    @property
    def is_failure(self) -> bool:
        """Whether this service or a source is at fault."""
        return self.outcome is Outcome.FAILURE
