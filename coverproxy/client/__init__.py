"""Asks a running service over HTTP: the library for Python programs, and the download tool.

It knows nothing of the server's code.
"""

from coverproxy.client.asking import AsyncClient
from coverproxy.client.blocking import Client
from coverproxy.client.errors import (
    BadRequest,
    ClientError,
    InvalidIdentifier,
    KeyRefused,
    NotTheOwner,
    PictureRefused,
    QuotaExceeded,
    TryLater,
    UnexpectedAnswer,
    UnknownSize,
    Unreachable,
)
from coverproxy.client.values import Cover, CoverInfo, Uploaded

__all__ = [
    "AsyncClient", "BadRequest", "Client", "ClientError", "Cover", "CoverInfo", "InvalidIdentifier",
    "KeyRefused", "NotTheOwner", "PictureRefused", "QuotaExceeded", "TryLater", "UnexpectedAnswer",
    "UnknownSize", "Unreachable", "Uploaded",
]  # fmt: skip
