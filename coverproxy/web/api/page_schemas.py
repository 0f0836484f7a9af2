"""What pages tell programs, as types: what their handlers return and /openapi.json describes."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict  # pydantic does not read the one of typing before 3.12

from coverproxy.domain.api_key import KeyRole
from coverproxy.domain.editions import Relation
from coverproxy.domain.json_fields import Count, Day, Digest, Moment, Px
from coverproxy.domain.report import ReportReason
from coverproxy.service.report_json import PublicReport
from coverproxy.web.api.schemas import TriedItem


class HomeBox(TypedDict):
    """The box of a size, in pixels."""

    width: Px
    height: Px


class CatalogueSnippet(TypedDict):
    """What to set in a catalogue so that it shows our covers."""

    name: str
    code: str


class ShelfCover(TypedDict):
    """A cover that the home page shows."""

    identifier: str
    title: str
    path: str
    width: Px
    height: Px
    shown: Annotated[str, Field(description="The address that the page shows it by.")]


class HomePage(TypedDict):
    """What the service is, what it has, and how to use it."""

    name: str
    operator: str
    contact: str
    covers: Count
    isbns: Count
    url: Annotated[str, Field(description="The form of a cover's address.")]
    sizes: dict[str, HomeBox]
    usual: Annotated[list[str], Field(description="The sizes that pages show.")]
    formats: list[str]
    daily_limit: Count
    signup: Literal["closed", "approve", "open"]
    catalogues: list[CatalogueSnippet]
    example: Annotated[str, Field(description="An ISBN to try.")]
    shelf: list[ShelfCover]
    tried: TriedItem | None


class LinkedName(TypedDict):
    """Another name of an item, and the end of its addresses."""

    name: str
    path: str


class ItemOriginal(TypedDict):
    """The picture that an item's covers are made from."""

    width: Px
    height: Px
    bytes: Count
    type: str
    source: str
    added: Moment
    date: Moment
    licence: str | None


class ItemSize(TypedDict):
    """An item's cover in one size."""

    name: str
    width: Px
    height: Px
    shown: Annotated[str, Field(description="The address that the page shows it by.")]
    url: Annotated[str, Field(description="The address to copy.")]
    formats: Annotated[dict[str, int | None], Field(description="Bytes by format; null: not made yet.")]


class ItemEdition(TypedDict):
    """Another edition of a book."""

    identifier: str
    relation: Relation
    path: str
    shown: str


class ItemPage(TypedDict):
    """An item: its cover, its sizes, where it comes from, and its other editions."""

    identifier: str
    title: Annotated[str, Field(description='As an import calls it; "": none is known.')]
    author: Annotated[str, Field(description='"": none is known.')]
    is_isbn: bool
    path: str
    names: list[str]
    linked: list[LinkedName]
    has_cover: bool
    original: ItemOriginal | None
    sizes: list[ItemSize]
    shown: ItemSize | None
    html: str
    admin: str
    editions: list[ItemEdition]
    tries_left: Count


class UnknownItem(TypedDict):
    """Why a text does not name one item. `can_mean`: the items that it may mean, where there are several."""

    asked: str
    why: str
    can_mean: list[LinkedName]


class KeysPage(TypedDict):
    """How keys are given."""

    mode: Literal["closed", "approve", "open"]
    keys_per_contact: Count
    daily_limit: Count
    contact: str
    refused: Annotated[str | None, Field(description="The reason of a refusal, in a word.")]
    why: Annotated[str | None, Field(description="The same for people.")]


class GivenKey(TypedDict):
    """A new key, with its owner's secret, which is shown only once."""

    key: str
    word: Annotated[str, Field(description="The owner's secret.")]
    is_waiting: bool
    asked_role: KeyRole | Literal[""]
    daily_limit: Count
    sites: list[str]
    url: Annotated[str, Field(description="A cover's address with this key.")]
    usage_url: str
    catalogues: list[CatalogueSnippet]


class ReplacedKey(TypedDict):
    """The key in place of another one, which works for some days more."""

    key: str
    old_works_days: Count
    url: str
    usage_url: str


class StatusSource(TypedDict):
    """A source of originals, and its circuit breaker's state."""

    name: str
    originals: Count
    state: Annotated[
        str | None,
        Field(description="closed: it answers; open: it is down; half-open: it is tried; null: not asked."),
    ]


class StatusDownloads(TypedDict):
    """Downloads on a day."""

    day: Day
    count: Count


class StatusStep(TypedDict):
    """What the app answered in a stretch of time; hits of nginx are not in it."""

    at: Moment
    answers: Count
    hits: Count
    made: Count
    missing: Count
    refused: Count
    failed: Count
    p50_ms: float | None
    p99_ms: float | None
    hit_rate: float | None


class StatusIncident(TypedDict):
    """A time in which many answers failed."""

    begins: Moment
    ends: Moment
    failed: Count
    answers: Count


class StatusNotices(TypedDict):
    """Notices that wait to be sent, and how many of them failed."""

    waiting: Count
    failed: Count


class StatusContents(TypedDict):
    """What the service has and did. Figures are null while they cannot be read."""

    covers: Count | None
    isbns: Count | None
    sources: list[StatusSource]
    made_today: Count | None
    downloaded_today: Count | None
    downloads: list[StatusDownloads]
    incidents: list[StatusIncident]
    day: StatusStep | None
    day_steps: list[StatusStep]
    month_steps: list[StatusStep]


class Status(StatusContents):
    """The service's contents, health and history."""

    state: Literal["ready", "faulty"]
    faults: Annotated[dict[str, str], Field(description="By component.")]
    counts_front: Annotated[bool, Field(description="Downloads include what nginx sends by itself.")]
    notices: StatusNotices | None


class BatchPage(TypedDict):
    """The bounds of a list, and why one was refused."""

    most_items: Count
    most_at_once: Count
    max_list_bytes: Count
    why: str | None
    detail: str | None


class BatchCover(TypedDict):
    """A cover of a list. Its paths are below the service's address."""

    line: Count
    identifier: str
    title: list[str]
    url: str
    page: str
    width: Px
    height: Px


class BatchWithout(TypedDict):
    """An item of a list that has no cover."""

    line: Count
    identifier: str
    title: list[str]


class BatchUnread(TypedDict):
    """A line of a list that does not name an item."""

    line: Count
    text: str
    why: str


class BatchFound(TypedDict):
    """The covers of a list."""

    covers: list[BatchCover]
    none: list[BatchWithout]
    unread: list[BatchUnread]
    left: Count
    limit: Count
    resets_at: Moment
    is_settled: Annotated[bool, Field(description="false: a source has not answered yet.")]


class BatchSheet(BatchFound):
    """The covers of a list, as pages to print."""

    paper: str
    per_page: Count
    pages: list[list[BatchCover]]


class UploadPage(TypedDict):
    """The bounds of a picture, and why one was refused."""

    item: str
    max_bytes: Count
    max_pixels: Count
    min_side_px: Count
    why: str
    hosts: Annotated[list[str], Field(description="Hosts from which a picture may come by its address.")]
    is_reviewed: bool


class SentSize(TypedDict):
    """How a sent picture looks in a size."""

    name: str
    of: Annotated[list[int], Field(description="Width and height in px.")]
    src: str


SentDone = Literal["", "saved", "waits", "discarded"]


class SentPicture(TypedDict):
    """A picture that was sent, and what was done with it."""

    item: str
    digest: Digest
    done: SentDone
    is_trusted: bool
    sizes: list[SentSize]
    width: Px
    height: Px
    is_small: bool
    detail: float | None


class ReportPage(TypedDict):
    """What a report may say about an item."""

    item: str
    has_cover: bool
    reasons: list[ReportReason]


class ReportStatePage(PublicReport):
    """What became of a report."""

    url: str
