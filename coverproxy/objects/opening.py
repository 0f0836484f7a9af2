"""Opens object stores by URL, and says what their errors mean."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, S3Store

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore

KINDS: Mapping[str, tuple[Any, str]] = {
    "s3": (S3Store, "endpoint"),
    "gs": (GCSStore, "base_url"),
    "az": (AzureStore, "endpoint"),
}
"""By a URL's scheme: the store, and the name of its option for another endpoint.

obstore's `file` is not among them: it follows links out of its root and blocks on a pipe; a FolderSource does
neither.
"""

_CONNECT_SECONDS = 5.0
_WAIT_AFTER_429 = 60.0
"""obstore does not report a Retry-After."""

_NO_OBJECT = frozenset({"NoSuchKey", "BlobNotFound"})
"""Error codes for a missing object in a 404 by S3, GCS and Azure; other codes concern the bucket or store."""

# Besides its class, an obstore error has only a text. tests/sources/test_objects.py checks each store's.
_STATUS = re.compile(r"status code: ([0-9]{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,64})</Code>")
_KIND = re.compile(r"HttpError \{\s+kind: ([A-Za-z]+)")
TIMEOUT = "timeout"
_REASONS = {"Timeout": TIMEOUT, "Connect": "connect", "Interrupted": "cut"}


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


class Failure(NamedTuple):
    """What an error means: a word for programs, a detail, and how many seconds the store wants to be left."""

    word: str
    detail: str = ""
    wait: float | None = None

    def __str__(self) -> str:
        return f"{self.word} ({self.detail})" if self.detail else self.word


def is_missing(exc: Exception) -> bool:
    """Say whether a store said that it lacks the object, rather than the bucket."""
    return isinstance(exc, NotFoundError | FileNotFoundError) and _code(exc) in _NO_OBJECT


def _code(exc: Exception) -> str:
    """Return the error code from a store's answer, or ""."""
    found = _CODE.search(str(exc))
    return found[1] if found else ""


def meaning(exc: Exception) -> Failure:
    """Say what an error of obstore means. The error's own text can contain a secret."""
    text = str(exc)
    status = _STATUS.search(text)
    if status:
        refusals = (PermissionDeniedError, UnauthenticatedError)
        word = "refused" if isinstance(exc, refusals) else "status"
        wait = _WAIT_AFTER_429 if status[1] == "429" else None
        return Failure(word, f"{status[1]} {_code(exc)}".strip(), wait)
    if "dns error" in text:
        return Failure("dns", "the name has no address")
    if "InvalidCertificate" in text:
        return Failure("tls", "its certificate is not trusted")
    if not isinstance(exc, BaseError):
        return Failure("fault", type(exc).__name__)
    kind = _KIND.search(text)
    return Failure(_REASONS.get(kind[1], "protocol") if kind else "protocol", type(exc).__name__)
