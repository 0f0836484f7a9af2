"""A derivative as it is served: its bytes, and the values its headers need."""

from dataclasses import dataclass, field

from coverproxy.domain import http_date
from coverproxy.domain.formats import Format
from coverproxy.domain.original import Original


@dataclass(frozen=True, slots=True)
class Derivative:
    """An original rendered to a size and a format.

    `mtime`: the original's own time, seconds since 1970. `size`, `original`: (width, height) in px; the
    latter is None where the file system could not store it with the file. `place`: its path below the
    cache's pictures; None for a derivative that is only in memory. `made_of`: what it was just rendered from.
    """

    body: bytes
    format: Format
    mtime: int
    size: tuple[int, int]
    original: tuple[int, int] | None
    place: str | None = field(default=None, compare=False)
    made_of: Original | None = field(default=None, compare=False)

    @property
    def etag(self) -> str:
        """The ETag that nginx computes for the file: hex mtime, hex length (ngx_http_set_etag)."""
        return f'"{self.mtime:x}-{len(self.body):x}"'

    def is_version(self, text: str) -> bool:
        """Say whether `?v=` *text* means these bytes: two pictures of one cover never share an mtime."""
        return bool(text) and text == f"{self.mtime:x}"

    @property
    def last_modified(self) -> str:
        """The mtime as an HTTP date (RFC 9110 §5.6.7)."""
        return http_date.written(self.mtime)
