"""Who uploads, and the parts of the form that an upload comes in: for programs and for pages alike."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import BodyPartReader
from aiohttp.http_exceptions import HttpProcessingError

from coverproxy.config import Upload
from coverproxy.domain.api_key import Key, abridged
from coverproxy.domain.errors import BadQuestion, UnreadType, WrongSecret

T = TypeVar("T")

MAX_FIELD_BYTES = 2000
MAX_FIELDS = 12
CHUNK = 65_536

_MALFORMED = (ValueError, AssertionError, LookupError, RuntimeError, HttpProcessingError)
"""aiohttp's exceptions for a form with a wrong boundary, part head, charset or transfer encoding."""


@dataclass(frozen=True, slots=True)
class Person:
    """The person who uploads or decides: an administrator, or a key's owner.

    `is_trusted`: needs no review.
    """

    name: str
    is_admin: bool
    is_trusted: bool


ADMIN = Person("admin", is_admin=True, is_trusted=True)


def owner(key: Key, rules: Upload) -> Person:
    """Return a key's owner, as far as the config trusts owners. Raises WrongSecret if none may upload."""
    if rules.owners == "off" and key.name not in rules.trusted:
        raise WrongSecret("this service accepts covers from its administrators only")
    is_trusted = rules.owners == "trusted" or key.name in rules.trusted or key.counted_as in rules.trusted
    return Person(f"key {abridged(key.name)} {key.label}"[:100], is_admin=False, is_trusted=is_trusted)


async def read(reading: Awaitable[T]) -> T:
    """Read on in a form. Raises BadQuestion if it is malformed.

    Only the reading may blame the client: the same exceptions raised elsewhere are defects of ours.
    """
    try:
        return await reading
    except _MALFORMED as exc:
        raise BadQuestion("the body is not multipart/form-data as its Content-Type says") from exc


async def chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    """Yield a file's bytes as they come. Raises UnreadType for a file that is encoded in the form."""
    if part.headers.get("Content-Transfer-Encoding", "binary").lower() not in ("binary", "8bit", "7bit"):
        raise UnreadType("the file is encoded; send its plain bytes")
    while chunk := await read(part.read_chunk(CHUNK)):
        yield chunk


async def text(part: BodyPartReader) -> str:
    """Return a field. Raises BadQuestion if it is too long, or not UTF-8."""
    body = await read(part.read_chunk(MAX_FIELD_BYTES))
    more = b"" if part.at_eof() else await read(part.read_chunk(1))
    if more:
        raise BadQuestion(f"the field {(part.name or '')[:40]!r} has more than {MAX_FIELD_BYTES} bytes")
    try:
        return body.decode().strip()
    except UnicodeDecodeError as exc:
        raise BadQuestion(f"the field {(part.name or '')[:40]!r} is not UTF-8") from exc
