"""What administrators' pages tell programs, as types: what handlers return and /openapi.json describes."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict  # pydantic does not read the one of typing before 3.12

from coverproxy.domain.api_key import KeyRole, KeyState, NoCoverWord
from coverproxy.domain.json_fields import Count, Digest, Moment
from coverproxy.service.book_json import (
    BookJson,
    DecisionJson,
    DeedJson,
    OriginalJson,
    PendingOriginal,
)
from coverproxy.service.report_json import ReportJson
from coverproxy.web.api.page_schemas import StatusSource
from coverproxy.web.api.schemas import UsageLacking


class BookOriginals(BookJson):
    """A book's originals, the decisions about them, and its history."""

    history: list[DeedJson]


class PendingList(TypedDict):
    """The originals that wait for a review, oldest first."""

    pending: list[PendingOriginal]


class ReportList(TypedDict):
    """Reports: those with most reporters first, or the latest decided ones."""

    reports: list[ReportJson]


class AdminWaiting(TypedDict):
    """How many things of each kind wait for an administrator."""

    keys: Count
    roles: Annotated[int, Field(ge=0, description="Keys whose owners ask for another role.")]
    reports: Count
    pending: Annotated[int, Field(ge=0, description="Pictures to review.")]
    quarantined: Count
    corrupt: Count
    sources: Annotated[int, Field(ge=0, description="Sources that do not answer.")]


class AdminHome(TypedDict):
    """What waits for an administrator, and the most requested items without a cover."""

    faults: Annotated[dict[str, str], Field(description="By component.")]
    waits: AdminWaiting
    sources_down: list[str]
    wanted: list[UsageLacking]


WantedOrder = Literal["asked", "last", "isbn"]


class AdminWanted(TypedDict):
    """What was asked for with all keys, and has no cover."""

    find: str
    sort: WantedOrder
    wanted: list[UsageLacking]


class AdminKey(TypedDict):
    """A key and its use."""

    key: str
    label: str
    contact: str
    site: str
    state: KeyState
    made_today: Count
    daily_limit: Count
    sites: list[str]
    no_cover: NoCoverWord
    role: KeyRole
    asked_role: KeyRole | Literal[""]
    named_sizes_only: bool
    created_at: Moment
    expires_at: Moment | None
    counted_as: Annotated[str, Field(description="The account that its covers are counted for.")]


class KeyGains(TypedDict, total=False):
    """What an action on a key gives."""

    key: Annotated[str, Field(description="The key that replaces it.")]
    days: Annotated[int, Field(ge=0, description="How long the old one works.")]
    word: Annotated[str, Field(description="The new secret of its owner.")]


class KeyDone(KeyGains):
    """What was just done to a key, and what that gave."""

    action: str
    label: str


_From = TypedDict("_From", {"from": Annotated[int, Field(ge=0, description="Keys before these.")]})


class AdminKeys(_From):
    """The keys, a page of them."""

    find: str
    state: str
    sort: str
    count: Count
    waiting: Count
    keys: list[AdminKey]
    done: KeyDone | None


class NewKeyPage(TypedDict):
    """Why a new key was refused."""

    refused: Annotated[str | None, Field(description="The field that is wrong.")]
    why: str | None


class AdminOriginal(OriginalJson):
    """An original of a book, with its file."""

    is_held: Annotated[bool, Field(description="In quarantine, or too slow to render.")]
    is_present: Annotated[bool, Field(description="Its file is there.")]
    elsewhere: Annotated[list[str], Field(description="Other items with the same picture.")]


class AdminDerivative(TypedDict):
    """A derivative on disk."""

    size: str
    format: str
    bytes: Count
    made: Moment
    is_live: Annotated[bool, Field(description="It was made with the present settings.")]


class AdminItem(TypedDict):
    """Everything known about an identifier and its item."""

    name: str
    title: Annotated[str, Field(description="As the latest request that named one called it.")]
    isbn10: str | None
    linked: list[str]
    hidden: DecisionJson | None
    originals: list[AdminOriginal]
    hidden_digests: dict[str, DecisionJson]
    history: list[DeedJson]
    derivatives: list[AdminDerivative]


class AdminBook(TypedDict):
    """The items that a text can mean."""

    asked: str
    why: Annotated[str | None, Field(description="Why it is invalid.")]
    books: list[AdminItem]
    purged: Annotated[int | None, Field(description="How many files were just removed.")]
    done: Annotated[str, Field(description="What was just done.")]
    fault: Annotated[str, Field(description="Why it was not.")]


class NamedOriginal(OriginalJson):
    """An original that waits for a review, with its item's name."""

    name: str


class AdminReview(TypedDict):
    """The pictures that wait for a review."""

    pending: list[NamedOriginal]
    sort: str
    done: Annotated[int | None, Field(description="How many were just decided.")]


class OpenReport(ReportJson):
    """A report that nobody has decided, with what its item shows now."""

    shown: Digest | None


class AdminReports(TypedDict):
    """What readers report."""

    open: list[OpenReport]
    closed: list[ReportJson]
    done: str
    fault: str
    reason: str
    sort: str


class AdminCache(TypedDict):
    """How full the cache is, in bytes."""

    held_bytes: Count
    free_bytes: Count
    max_bytes: Count
    min_free_bytes: Count


class AdminQuarantined(TypedDict):
    """Bytes that are not decoded again."""

    digest: Digest
    isbns: list[str]
    reason: str
    at: Moment


class AdminService(TypedDict):
    """Quarantine, cache and sources."""

    faults: dict[str, str]
    cache: AdminCache
    sources: list[StatusSource]
    quarantined: list[AdminQuarantined]
    corrupt: list[OriginalJson]
    released: Annotated[int | None, Field(description="How many originals were just released.")]
