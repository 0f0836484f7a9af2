"""A source in an object store: S3 and compatible ones, Google Cloud Storage, Azure."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import (
    BaseError,
    NotFoundError,
    NotModifiedError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from coverproxy.domain import http_date
from coverproxy.domain.original import LATEST_DATE
from coverproxy.domain.spec import Identifier
from coverproxy.domain.url_template import PathTemplate
from coverproxy.sources.base import Answer, Fetched, NotThere, SourceUnavailable, Unchanged, Validators

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, ObjectMeta
    from obstore.store import ClientConfig, ObjectStore

KINDS: Mapping[str, tuple[Any, str]] = {
    "s3": (S3Store, "endpoint"),
    "gs": (GCSStore, "base_url"),
    "az": (AzureStore, "endpoint"),
}
"""By a URL's scheme: the store, and the name of its option for another endpoint.

obstore's `file` is not offered: it follows links out of its root and blocks on a pipe; a FolderSource does
neither.
"""

_CHUNK = 65_536
_CONNECT_SECONDS = 5.0
_WAIT_AFTER_429 = 60.0
"""obstore does not report a Retry-After."""

_NO_OBJECT = frozenset({"NoSuchKey", "BlobNotFound"})
"""Error codes for a missing object in a 404 by S3, GCS and Azure; other codes concern the bucket or store."""

# Besides its class, an obstore error has only a text. tests/sources/test_objects.py checks each store's.
_STATUS = re.compile(r"status code: ([0-9]{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,64})</Code>")
_KIND = re.compile(r"HttpError \{\s+kind: ([A-Za-z]+)")
_REASONS = {"Timeout": "timeout", "Connect": "connect", "Interrupted": "cut"}


def open_store(
    url: str, options: Mapping[str, str], endpoint: str, seconds: float, user_agent: str
) -> "ObjectStore":
    """Open `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`, without a request.

    *options*: obstore's (`region`, `access_key_id`, `account_name` ...); missing ones come from the
    environment, as with the store's own tools (AWS_ACCESS_KEY_ID ...). *endpoint*: replaces the provider's
    address, "" for none; plain HTTP only if it says http://. There are no retries: the next fetch is one.
    Proxies from the environment are not used. obstore follows a store's redirects, without credentials to
    another host, and has no setting for it: name only a store that you trust.

    Raises ValueError; its text contains no option values.
    """
    scheme = url.partition("://")[0]
    if scheme not in KINDS:
        raise ValueError(
            f"{scheme}:// is not an object store; expected one of {', '.join(KINDS)} (or kind folder)"
        )
    kind, address = KINDS[scheme]
    config = {**options, address: endpoint} if endpoint else dict(options)
    try:
        store: ObjectStore = kind.from_url(
            url,
            config=config,
            client_options=_client(endpoint, seconds, user_agent),
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=seconds)},
        )
    except (BaseError, ValueError, TypeError) as exc:
        raise ValueError(f"{scheme}: {type(exc).__name__}{_about_option(exc)}") from None
    return store


def _client(endpoint: str, seconds: float, user_agent: str) -> "ClientConfig":
    return {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=min(seconds, _CONNECT_SECONDS)),
        "timeout": timedelta(seconds=seconds),
        "user_agent": user_agent,
        # A proxy that applies to no host: without it, those from the environment would be used.
        "proxy_url": "http://127.0.0.1:9",
        "proxy_excludes": "*,0.0.0.0/0,::/0",
    }


def _about_option(exc: Exception) -> str:
    """Name the unknown option; other texts could contain a secret."""
    found = re.search(r"Configuration key: '([a-z0-9_]{1,64})'", str(exc))
    return f": {found[1]} is not an option" if found else ""


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
        if isinstance(exc, NotFoundError | FileNotFoundError) and _code(exc) in _NO_OBJECT:
            raise NotFoundError from None
        raise _meaning(exc) from None


def _code(exc: Exception) -> str:
    """Return the error code from a store's answer, or ""."""
    found = _CODE.search(str(exc))
    return found[1] if found else ""


def _meaning(exc: Exception) -> SourceUnavailable:
    text = str(exc)
    status = _STATUS.search(text)
    if status:
        refusals = (PermissionDeniedError, UnauthenticatedError)
        word = "refused" if isinstance(exc, refusals) else "status"
        wait = _WAIT_AFTER_429 if status[1] == "429" else None
        return SourceUnavailable(word, f"{status[1]} {_code(exc)}".strip(), wait)
    if "dns error" in text:
        return SourceUnavailable("dns", "the name has no address")
    if "InvalidCertificate" in text:
        return SourceUnavailable("tls", "its certificate is not trusted")
    if not isinstance(exc, BaseError):
        return SourceUnavailable("fault", type(exc).__name__)
    kind = _KIND.search(text)
    return SourceUnavailable(_REASONS.get(kind[1], "protocol") if kind else "protocol", type(exc).__name__)
