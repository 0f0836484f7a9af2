"""What the client library returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coverproxy.domain.formats import Format


@dataclass(frozen=True, slots=True)
class Cover:
    """A cover's picture.

    `type`: its media type, such as image/jpeg. `status`: the X-Cover-Status, `hit`, `made`, or `edition` if
    another edition stands in. `etag`: for conditional requests; empty if there is none.
    """

    bytes: bytes
    type: str
    status: str
    etag: str = ""

    @property
    def extension(self) -> str:
        """The file name's ending for its format: jpg, webp or avif."""
        return next(form.value for form in Format if form.media_type == self.type)


@dataclass(frozen=True, slots=True)
class CoverInfo:
    """What the service knows of an identifier.

    `identifier`: how it is read, as scheme:value; None if it is invalid, `why` then says why. `status`:
    found, missing or invalid. `size`: width and height of the original in px. `colour`: the cover's main
    colour as #rrggbb. `thumbhash`: a blurred preview in base64. `answer`: all of the service's JSON, with
    each size's addresses; empty for an invalid identifier, which is not sent.
    """

    identifier: str | None
    has_cover: bool
    status: str
    why: str | None
    size: tuple[int, int] | None
    colour: str | None
    thumbhash: str | None
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The result of an upload.

    `status`: `shown`, or `pending` until somebody reviews it. `digest`: the original's name in the history.
    `answer`: all of the service's JSON.
    """

    status: str
    digest: str
    answer: Mapping[str, Any]


def info_of(told: Mapping[str, Any]) -> CoverInfo:
    """Read the JSON of /info. Raises KeyError, TypeError if it is not one."""
    original = told["original"]
    return CoverInfo(
        told["identifier"], told["has_cover"], told["status"], told["why"],
        (original["width"], original["height"]) if original else None,
        told["colour"], told["thumbhash"], told,
    )  # fmt: skip
