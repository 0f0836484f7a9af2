"""The client library for programs without asyncio: the asynchronous one, in a loop of its own thread."""

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from coverproxy.client.asking import AsyncClient
from coverproxy.client.values import Cover, CoverInfo, Uploaded

T = TypeVar("T")


class Client:
    """A client for one service and one key, for any number of threads. Close it, or use it with `with`.

    Parameters, results and errors are those of AsyncClient. It works where a loop runs already, as in a
    notebook, because its own loop runs in another thread.
    """

    def __init__(
        self, base_url: str, key: str, *, timeout: float = 60.0, tries: int = 5, max_wait: float = 60.0
    ) -> None:
        self._client = AsyncClient(base_url, key, timeout=timeout, tries=tries, max_wait=max_wait)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="coverproxy-client", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Close the connections, and end the thread. The client cannot be used afterwards."""
        if self._loop.is_closed():
            return
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def get(self, identifier: str, size: str = "medium", format: str = "jpg") -> Cover | None:
        """Return the cover; None if there is none. See AsyncClient.get."""
        return self._run(self._client.get(identifier, size, format))

    def have(self, identifiers: Iterable[str]) -> dict[str, bool | None]:
        """Return for each identifier whether it has a cover. See AsyncClient.have."""
        return self._run(self._client.have(identifiers))

    def info(self, identifiers: Iterable[str]) -> dict[str, CoverInfo]:
        """Return the details of each identifier. See AsyncClient.info."""
        return self._run(self._client.info(identifiers))

    def upload(
        self, identifier: str, picture: Path | str | bytes, *, secret: str, **details: str
    ) -> Uploaded:
        """Send a cover: the path of a file, or its bytes. See AsyncClient.upload."""
        return self._run(self._client.upload(identifier, picture, secret=secret, **details))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run in the loop's thread. Ctrl-C in this one cancels the work there."""
        if self._loop.is_closed():
            work.close()
            raise ValueError("the client is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
