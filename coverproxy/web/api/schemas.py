"""The JSON that goes out, shape by shape: what handlers write and what /openapi.json describes."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict  # pydantic does not read the one of typing before 3.12

MAX_ISBNS = 1000
"""ISBNs that one question may have."""

Px = Annotated[int, Field(ge=1, description="Pixels.")]
Moment = Annotated[
    str, Field(description="A moment in UTC (RFC 3339).", json_schema_extra={"format": "date-time"})
]
Isbn13 = Annotated[str, Field(pattern="^97[89][0-9]{10}$", description="A canonical ISBN-13.")]


class Problem(TypedDict):
    """Why there is no answer (RFC 9457)."""

    type: Literal["about:blank"]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    code: Annotated[str, Field(description="The word that X-Cover-Status says.")]


class Refusal(TypedDict):
    """Why there is no answer, as the services say it whose addresses answer with JSON."""

    error: str


class UsageDay(TypedDict):
    """What a key made on a day."""

    day: Annotated[
        str, Field(description="A day of the quota's time zone.", json_schema_extra={"format": "date"})
    ]
    made: Annotated[int, Field(ge=0)]


class UsageLacking(TypedDict):
    """An ISBN that had no cover."""

    isbn: str
    asked: Annotated[int, Field(ge=1)]
    last: Moment


class UsageRefusal(TypedDict):
    """What was refused to a key, and why."""

    at: Moment
    reason: Annotated[str, Field(description="The word that X-Cover-Status said.")]
    detail: str


class Usage(TypedDict):
    """A key's quota, and what it made of it."""

    label: str
    limit: Annotated[int, Field(ge=0, description="Covers that may be made a day.")]
    made_today: Annotated[int, Field(ge=0)]
    left: Annotated[int, Field(ge=0)]
    resets_at: Moment
    resets_in: Annotated[int, Field(ge=0, description="Seconds until the day ends.")]
    days: Annotated[list[UsageDay], Field(description="The last 30 days, today last.")]
    state: Literal["active", "waiting", "revoked", "expired"]
    sites: Annotated[list[str], Field(description="Sites whose pages may use it; none: every site.")]
    no_cover: Literal["gif", "404", "card", "own"]
    expires_at: Moment | None
    lacking: Annotated[list[UsageLacking], Field(description="ISBNs most asked for that had no cover.")]
    refusals: Annotated[list[UsageRefusal], Field(description="The latest, the last one first.")]


class InfoOriginal(TypedDict):
    """The image that covers are made from."""

    width: Px
    height: Px
    bytes: Annotated[int, Field(ge=0)]
    type: Annotated[str, Field(description="jpeg, png, webp, gif, tiff or heif.")]
    source: Annotated[str, Field(description="Who it came from, as its import said; may be empty.")]
    date: Annotated[Moment, Field(description="The image's own time: the covers' Last-Modified.")]
    added: Annotated[Moment, Field(description="When it came in.")]
    licence: Annotated[str | None, Field(description="Under which licence it may be shown, as was said.")]
    until: Annotated[Moment | None, Field(description="From when on it is not shown any more.")]
    no_crop: Annotated[bool, Field(description="It may only be shown whole.")]


class InfoFormat(TypedDict):
    """A size in one format."""

    url: str
    bytes: Annotated[int | None, Field(description="null: not made yet.")]


class InfoSize(TypedDict):
    """A size as it is of this cover."""

    width: Px
    height: Px
    formats: Annotated[dict[str, InfoFormat], Field(description="By file ending: jpg, webp, avif.")]


class Info(TypedDict):
    """What is known of an ISBN."""

    text: Annotated[str, Field(description="The identifier as it was sent.")]
    identifier: Annotated[
        str | None, Field(description="What the text is taken for, as scheme:value; null: that is open.")
    ]
    item: Annotated[str | None, Field(description="The item that it names: itself, or what it is linked to.")]
    linked: Annotated[list[str], Field(description="All other names of that item, as scheme:value.")]
    isbn13: Annotated[Isbn13 | None, Field(description="The same, where it is an ISBN.")]
    isbn10: Annotated[str | None, Field(description="Its ISBN-10; null: none, as a 979 has.")]
    readings: Annotated[list[Isbn13], Field(description="All ISBNs that the text can mean, in order.")]
    only_one: Annotated[
        bool, Field(description="The readings contradict each other: a cover only if one alone has one.")
    ]
    has_cover: bool
    status: Annotated[
        Literal["found", "missing", "invalid"], Field(description="invalid: the text is not valid; see why.")
    ]
    why: Annotated[str | None, Field(description="Why the text is not valid.")]
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
"""By ISBN as sent. true: it has a cover, false: none is known, null: it is no ISBN."""


class Asked(TypedDict):
    """Which ISBNs are meant."""

    isbns: Annotated[list[str], Field(max_length=MAX_ISBNS)]
