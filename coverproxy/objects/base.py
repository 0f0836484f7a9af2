"""The Protocol of an object store."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol


class ObjectEntry(NamedTuple):
    """An object in a listing. `modified`: seconds since 1970, by the store's clock."""

    key: str
    modified: float


class Objects(Protocol):
    """Holds bytes by key. Safe for several threads and processes.

    Every method raises StoreUnavailable if the store cannot be asked, or has not answered in time; while it
    is known to be away, at once. A key is a relative path of ASCII letters, digits and `-._=/`.

    `on_state`: called with why the store is away, and with "" once it answers again; from any thread.
    """

    on_state: Callable[[str], None]

    @property
    def place(self) -> str:
        """Where it is, for messages: without secrets."""
        ...

    @property
    def fault(self) -> str:
        """Why it is not asked now, or ""."""
        ...

    def get(self, key: str, most_bytes: int) -> bytes | None:
        """Return an object's bytes, or None if there is none. Blocks.

        Raises StoreUnavailable too if it has more than *most_bytes*.
        """
        ...

    def put(self, key: str, body: bytes) -> None:
        """Write an object, whole or not at all, in place of what was there. Blocks."""
        ...

    def has(self, key: str) -> bool:
        """Return whether there is such an object. Blocks."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; does nothing for those that are not there. Blocks."""
        ...

    def keys(self, prefix: str, most: int) -> list[str]:
        """Return at most *most* keys that begin with *prefix*, a folder with its last `/`. Blocks."""
        ...

    def portions(self, prefix: str) -> Iterator[list[ObjectEntry]]:
        """Yield all objects below the folder *prefix*, a thousand or so at a time, in any order. Blocks."""
        ...

    async def fetch(self, key: str, most_bytes: int) -> bytes | None:
        """Do what get() does, without a thread."""
        ...

    def probe(self) -> None:
        """Ask for an object that does not exist. Blocks."""
        ...
