"""The JSON answers as types: what handlers return and /openapi.json describes."""

from typing import (
    Annotated,
    Literal,
    NotRequired,  # pydantic does not read the one of typing before 3.12
)

from pydantic import Field
from typing_extensions import TypedDict

from coverproxy.domain.api_key import KeyRole, KeyState, NoCoverWord
from coverproxy.domain.json_fields import Day, Isbn13, Moment, Px

MAX_ISBNS = 1000
"""Most ISBNs in one request."""


class Problem(TypedDict):
    """Why a request failed (RFC 9457)."""

    type: Literal["about:blank"]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    code: Annotated[str, Field(description="The value of X-Cover-Status.")]


class RefusalAnswer(TypedDict):
    """Why a request failed, in the form of services whose addresses answer with JSON."""

    error: str


class TriedSize(TypedDict):
    """A cover in one size: the address to copy, and the one that this page shows it by."""

    name: str
    width: Px
    height: Px
    url: str
    shown: str
    html: str


class TriedOriginal(TypedDict):
    """The picture that a cover is made from."""

    width: Px
    height: Px
    source: str


class TriedItem(TypedDict):
    """What a typed identifier names, and its cover."""

    asked: str
    name: str | None
    isbn13: Isbn13 | None
    isbn10: str | None
    why: Annotated[str | None, Field(description="Why it is invalid.")]
    has_cover: bool
    sizes: list[TriedSize]
    original: NotRequired[TriedOriginal]
    html_sharp: NotRequired[Annotated[str, Field(description="An image tag with every size.")]]
    tries_left: NotRequired[Annotated[int, Field(ge=0, description="New covers for visitors today.")]]


class UsageDay(TypedDict):
    """What a key made on a day."""

    day: Day
    made: Annotated[int, Field(ge=0, description="New covers made from originals.")]
    downloaded: Annotated[int, Field(ge=0, description="Covers sent whole, by the app or by nginx.")]


class UsageKinds(TypedDict):
    """Downloads by size, and by the shape of their address."""

    sizes: dict[str, int]
    shapes: dict[str, int]


class UsageDownloads(TypedDict):
    """Today's downloads, and those of 30 days."""

    today: UsageKinds
    month: UsageKinds


class UsageLacking(TypedDict):
    """An ISBN without a cover."""

    isbn: str
    title: Annotated[str, Field(description="As a request called it; empty: none did.")]
    asked: Annotated[int, Field(ge=1)]
    last: Moment


class UsageRefusal(TypedDict):
    """A refusal to a key, and why."""

    at: Moment
    reason: Annotated[str, Field(description="The value of X-Cover-Status.")]
    detail: str


class KeySettings(TypedDict):
    """What a key may do, and what it shows."""

    state: KeyState
    sites: Annotated[list[str], Field(description="Sites whose pages may use it; empty: every site.")]
    no_cover: NoCoverWord
    role: KeyRole
    asked_role: Annotated[KeyRole | Literal[""], Field(description="What its owner asks for.")]
    named_sizes_only: bool
    expires_at: Moment | None


class Usage(KeySettings):
    """A key's quota and usage."""

    label: str
    limit: Annotated[int, Field(ge=0, description="New covers per day.")]
    made_today: Annotated[int, Field(ge=0)]
    downloaded_today: Annotated[int, Field(ge=0, description="Covers sent whole today.")]
    downloads: UsageDownloads
    left: Annotated[int, Field(ge=0)]
    resets_at: Moment
    resets_in: Annotated[int, Field(ge=0, description="Seconds until the day ends.")]
    days: Annotated[list[UsageDay], Field(description="The last 30 days, today last.")]
    throttled: Annotated[int, Field(ge=0, description="Throttled answers in the last seven days.")]
    lacking: Annotated[list[UsageLacking], Field(description="The most requested ISBNs without a cover.")]
    refusals: Annotated[list[UsageRefusal], Field(description="The latest refusals, newest first.")]
    tried: Annotated[TriedItem | None, Field(description="What ?isbn= names; null: nothing was asked.")]


class InfoOriginal(TypedDict):
    """The image that covers are made from."""

    width: Px
    height: Px
    bytes: Annotated[int, Field(ge=0)]
    type: Annotated[str, Field(description="jpeg, png, webp, gif, tiff or heif.")]
    source: Annotated[str, Field(description="Its source according to its import; may be empty.")]
    date: Annotated[Moment, Field(description="The image's own time: the covers' Last-Modified.")]
    added: Annotated[Moment, Field(description="When it was added.")]
    licence: Annotated[str | None, Field(description="Its licence, as stated by its source.")]
    until: Annotated[Moment | None, Field(description="From when on it is not shown.")]
    no_crop: Annotated[bool, Field(description="It must not be cropped.")]
    kept_until: Annotated[
        Moment | None, Field(description="When it is deleted, as its source requires; its covers stay.")
    ]


class InfoFormat(TypedDict):
    """A size in one format."""

    url: str
    bytes: Annotated[int | None, Field(description="null: not made yet.")]


class InfoSize(TypedDict):
    """A size for this cover."""

    width: Px
    height: Px
    formats: Annotated[dict[str, InfoFormat], Field(description="By file ending: jpg, webp, avif.")]


class InfoEdition(TypedDict):
    """Another edition that stands in for a missing cover."""

    identifier: Annotated[str, Field(description="Whose cover it is, as scheme:value.")]
    isbn13: Annotated[Isbn13 | None, Field(description="The same, where it is an ISBN.")]
    relation: Literal["format", "edition", "translation"]
    linked_by: Annotated[str, Field(description="Who says so: csv, marc-776, openlibrary …")]


class Info(TypedDict):
    """What is known about an identifier."""

    text: Annotated[str, Field(description="The identifier as it was sent.")]
    identifier: Annotated[
        str | None, Field(description="How the text is read, as scheme:value; null: ambiguous.")
    ]
    item: Annotated[str | None, Field(description="Its item: itself, or what it is linked to.")]
    linked: Annotated[list[str], Field(description="All other names of that item, as scheme:value.")]
    isbn13: Annotated[Isbn13 | None, Field(description="The same, where it is an ISBN.")]
    isbn10: Annotated[str | None, Field(description="Its ISBN-10; null: none, as for 979.")]
    readings: Annotated[list[Isbn13], Field(description="All ISBNs that the text can mean, in order.")]
    only_one: Annotated[
        bool, Field(description="The readings exclude each other: served only if one alone has a cover.")
    ]
    has_cover: Annotated[bool, Field(description="Whether it has a cover of its own.")]
    edition: Annotated[
        InfoEdition | None,
        Field(description="What stands in for a missing cover, by ?fallback= or by the key; else null."),
    ]
    status: Annotated[Literal["found", "missing", "invalid"], Field(description="invalid: see why.")]
    why: Annotated[str | None, Field(description="Why the text is invalid.")]
    original: InfoOriginal | None
    sizes: Annotated[
        dict[str, InfoSize | None], Field(description="By name; null: the cover is too thin for it.")
    ]
    colour: Annotated[
        str | None, Field(description="The dominant colour: #rrggbb.", pattern="^#[0-9a-f]{6}$")
    ]
    thumbhash: Annotated[
        str | None,
        Field(description="A ThumbHash in base64 (github.com/evanw/thumbhash), or null: not known now."),
    ]


Have = dict[str, bool | None]
"""By identifier as sent. true: it has a cover, false: no cover is known, null: it is invalid."""


class Asked(TypedDict):
    """The ISBNs to look up."""

    isbns: Annotated[list[str], Field(max_length=MAX_ISBNS)]
