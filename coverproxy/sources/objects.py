"""A source in an object store: S3 and compatible ones, Google Cloud Storage, Azure."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import NotFoundError, NotModifiedError

from coverproxy.domain import http_date
from coverproxy.domain.original import LATEST_DATE
from coverproxy.domain.spec import Identifier
from coverproxy.domain.url_template import PathTemplate
from coverproxy.objects.opening import is_missing, meaning
from coverproxy.sources.base import Answer, Fetched, NotThere, SourceUnavailable, Unchanged, Validators

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, ObjectMeta
    from obstore.store import ObjectStore

_CHUNK = 65_536


class ObjectSource:
    """See Source. MUST be used only after forking: obstore's threads do not survive a fork.

    A 403 does not mean that an object is missing: S3 answers 403 to callers without s3:ListBucket, so grant
    the key that permission.
    """

    def __init__(
        self, name: str, store: "ObjectStore", template: PathTemplate, most_bytes: int, seconds: float
    ) -> None:
        self.name = name
        self._store: ObjectStore | None = store
        self._template = template
        self._most_bytes = most_bytes
        self._seconds = seconds

    async def fetch(self, identifier: Identifier, known: Validators | None) -> Answer:
        """See Source."""
        key = self._template.fill(identifier)
        if key is None:
            return NotThere("it has no ISBN of the form that this source needs")
        if self._store is None:
            raise SourceUnavailable("closed")
        conditions = _conditions(known)
        try:
            with _mapped_errors():
                async with asyncio.timeout(self._seconds):
                    result = await obstore.get_async(self._store, key, options=conditions)
                    return await self._taken(result, known)
        except NotModifiedError:
            if conditions is None:
                raise SourceUnavailable("status", "304 to an unconditional request") from None
            return Unchanged()
        except NotFoundError:
            return NotThere("no such object")

    async def _taken(self, result: "GetResult", known: Validators | None) -> Answer:
        """Read the body. Its length is known beforehand: obstore refuses an answer without one."""
        meta = result.meta
        if known and known.etag and known.etag == meta["e_tag"]:
            return Unchanged()  # the store ignored the condition
        if result.attributes.get("Content-Encoding", "identity").lower() not in ("", "identity"):
            raise SourceUnavailable("encoded", "the object is stored compressed")  # it could be a bomb
        if meta["size"] > self._most_bytes:
            return NotThere(f"more than {self._most_bytes} bytes")
        body = bytearray()
        async for chunk in result.stream(min_chunk_size=_CHUNK):  # ends at the announced length
            body += chunk
        if not body:
            return NotThere("0 bytes")
        moment = _moment(meta)
        modified = format_datetime(moment, usegmt=True) if moment else None
        date = int(moment.timestamp()) if moment else None
        return Fetched(bytes(body), Validators(meta["e_tag"], modified), date)

    async def aclose(self) -> None:
        """See Source. Connections end with the store, once nothing references it."""
        self._store = None


def _conditions(known: Validators | None) -> "GetOptions | None":
    """Return the options of a conditional request; by time only without an ETag (RFC 9110 §13.1.3)."""
    if known is None:
        return None
    if known.etag and known.etag.isascii() and known.etag.isprintable():  # object_store panics at others
        return {"if_none_match": known.etag}
    moment = http_date.seconds(known.modified)
    return None if moment is None else {"if_modified_since": datetime.fromtimestamp(moment, UTC)}


def _moment(meta: "ObjectMeta") -> datetime | None:
    """Return an object's modification time; None if it is missing (1970) or invalid."""
    moment = meta["last_modified"]
    return moment.astimezone(UTC) if 0 < moment.timestamp() < LATEST_DATE else None


@contextmanager
def _mapped_errors() -> Iterator[None]:
    """Map errors to SourceUnavailable. An error's text can contain a secret, so none gets out.

    NotFoundError passes only if the store said that it lacks the object.
    """
    try:
        yield
    except (NotModifiedError, SourceUnavailable):
        raise
    except TimeoutError:
        raise SourceUnavailable("timeout") from None
    except Exception as exc:  # from Python, from obstore, or a Rust panic, whose class has no name
        if is_missing(exc):
            raise NotFoundError from None
        failure = meaning(exc)
        raise SourceUnavailable(failure.word, failure.detail, failure.wait) from None
