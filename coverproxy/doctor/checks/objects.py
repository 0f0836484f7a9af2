"""The object store that nodes share: written, read and deleted, and how quickly."""

import time
from collections.abc import Iterator
from uuid import uuid4

from coverproxy.doctor.checks.finding import Finding, fine, problem, warning
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.objects.base import Objects

STORE = "objects"
SLOW_SECONDS = 0.2
_BYTES = 16_384


def look(objects: Objects | None) -> Iterator[Finding]:
    """Write an object of a cover's size, read it, and delete it again; says nothing if there is no store."""
    if objects is None:
        return
    try:
        is_same, write_seconds, read_seconds = _tried(objects)
    except StoreUnavailable as exc:
        advice = "check store.objects, its endpoint and its key: it must read, write, list and delete"
        yield problem(STORE, str(exc), advice)
        return
    if not is_same:
        yield problem(STORE, f"{objects.place} returns other bytes than were written", "use another store")
        return
    text = f"{objects.place} writes in {write_seconds * 1000:.0f} ms, reads in {read_seconds * 1000:.0f} ms"
    if read_seconds > SLOW_SECONDS:
        yield warning(STORE, text, "each cover new to a node waits for it: have it nearer to the nodes")
    else:
        yield fine(STORE, text)


def _tried(objects: Objects) -> tuple[bool, float, float]:
    """Return whether an object reads as it was written, and the seconds to write and to read it."""
    key, body = f"probe/{uuid4().hex}", bytes(_BYTES)
    began = time.perf_counter()
    objects.put(key, body)
    written = time.perf_counter()
    is_same = objects.get(key, _BYTES) == body
    read = time.perf_counter()
    objects.delete([key])
    return is_same, written - began, read - written
