"""Answers whose bytes are prepared: aiohttp would assemble each again."""

from aiohttp import web

OK = b"HTTP/1.1 200 OK\r\n"

Parts = tuple[bytes, ...]
"""A whole answer: status line, head, an empty line and the body."""


class Ready(web.StreamResponse):
    """An answer with prepared bytes, for HTTP/1.1.

    `headers` stay empty: nothing may read them afterwards.
    """

    def __init__(self, *parts: bytes) -> None:
        super().__init__()
        self._parts = parts
        self._is_kept_alive = True

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open."""
        return self._is_kept_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """See StreamResponse; everything is sent here, in one write."""
        if not request.keep_alive:
            self._is_kept_alive = False
            self._parts = (OK + b"Connection: close\r\n", *self._parts[1:])
        await request.writer.write(b"".join(self._parts))
        await request.writer.drain()  # else a client that pipelines and never reads fills our memory

    async def write_eof(self, data: bytes = b"") -> None:
        """See StreamResponse; nothing is left to send."""
