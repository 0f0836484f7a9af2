"""The program of a render process: takes pictures from shared memory, decodes them, returns bytes.

It trusts its parent and is not trusted by it: requests are pickled, answers are JSON and bytes.
"""

import os
import pickle
import signal
import socket
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import orjson

from coverproxy.domain.errors import CoverError, UnusableOriginal
from coverproxy.domain.formats import Format, Loader
from coverproxy.imaging import detail, memory, preview, render, sandbox, scale, turbo, vips
from coverproxy.imaging.render_environment import REQUEST_BYTES
from coverproxy.imaging.settings import LimitSettings, LimitValues, SizeSettings, SizeValues

Facts = dict[str, Any]
Operation = Callable[..., tuple[Facts, bytes]]

_OUT_OF_MEMORY = ("out of memory", "emory allocation", "unable to allocate")
"""Parts of the messages that libvips and its decoders give when an allocation fails."""

_OWN_LIMIT = "ecurity limit exceeded"
"""What libheif calls a memory allocation error, too: a damaged file that claims a box of exabytes."""

_NO_MEMORY = orjson.dumps({"memory": True})


def _render(body: bytes, size: SizeSettings, form: Format, limits: LimitSettings) -> tuple[Facts, bytes]:
    made = render.render(body, size, form, limits)
    return {"size": made.size, "original": made.original}, made.body


def _verify(body: bytes, size: SizeSettings, limits: LimitSettings) -> tuple[Facts, bytes]:
    return _as_facts(render.verify(body, size, limits))


def _glance(body: bytes, limits: LimitSettings) -> tuple[Facts, bytes]:
    found = preview.at(render.render(body, preview.GLANCE, Format.JPEG, limits).body)
    return {"colour": found.colour}, found.thumbhash


def _measure(body: bytes, loader: Loader, most_decoded: int) -> tuple[Facts, bytes]:
    image = vips.open_original(body, loader, fail_on="error")
    coding = image.get("heif-compression") if image.get_typeof("heif-compression") else ""
    too_large = memory.refusal(image, body, loader, most_decoded) or ""
    return {"sides": vips.upright(image), "coding": coding, "too_large": too_large}, b""


def _detail(body: bytes, limits: LimitSettings) -> tuple[Facts, bytes]:
    return _as_facts(detail.measure(body, limits))


def _as_facts(found: detail.Measure) -> tuple[Facts, bytes]:
    return {"detail": round(found.detail * 100), "content": round(found.content * 100)}, b""


OPERATIONS: dict[str, Operation] = {
    "render": _render,
    "verify": _verify,
    "glance": _glance,
    "measure": _measure,
    "detail": _detail,
}
"""The operations of a render process by name: body and arguments in, facts and bytes out."""


def main() -> None:
    """Serve until the parent is gone: the whole life of a render process. Arguments: see RenderProcess."""
    handle, memory, parent, memory_bytes, file_bytes, niceness = map(int, sys.argv[1:7])
    sandbox.die_with(parent)
    sandbox.die_first()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # they reach the whole group; our parent decides when to stop
    import PIL.Image

    vips.library()
    turbo.library()
    scale.fast()
    detail.library()
    PIL.Image.preinit()  # Pillow would import these at its first save, in the sandbox
    # Until here our own faults go to the log. From here on they are sent, since a picture could write to it.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with socket.socket(fileno=handle) as asked:
        lower_priority = sandbox.lower_priority(niceness)
        ready = _confined(memory_bytes, file_bytes)
        lower_priority()
        asked.send(ready)
        while request := asked.recv(REQUEST_BYTES):
            asked.send(_answer(request, memory))


def _confined(memory_bytes: int, file_bytes: int) -> bytes:
    """Confine this process; return the confinement in force, or the reason why the process is unusable."""
    try:
        in_force = sandbox.confine(memory_bytes, file_bytes)
        _warm_up()
        return orjson.dumps(in_force.as_json())
    except (OSError, CoverError) as exc:
        return orjson.dumps({"mistake": str(exc)[:1000]})


def _warm_up() -> None:
    """Render once, to load lazily loaded parts, and to check that the process works within its limits."""
    grey = vips.library().Image.black(64, 64, bands=3).copy(interpretation="srgb")
    size, limits = SizeValues(width=32, height=32), LimitValues(4096, 16_777_216)
    for body in (grey.jpegsave_buffer(), grey.pngsave_buffer()):
        render.render(body, size, Format.JPEG, limits)


@lru_cache(maxsize=256)
def _read(request: bytes) -> tuple[str, tuple[Any, ...]]:
    """Unpickle a request's operation and arguments; cached, since few different ones occur."""
    operation, arguments = pickle.loads(request)  # noqa: S301 - from our parent
    return operation, arguments


def _answer(request: bytes, memory: int) -> bytes:
    length = int.from_bytes(request[:8], "little")
    operation, arguments = _read(request[8:])
    try:
        facts, made = OPERATIONS[operation](os.pread(memory, length, 0), *arguments)
        if os.pwrite(memory, made, 0) != len(made):
            raise MemoryError
    except UnusableOriginal as exc:
        if any(words in exc.detail for words in _OUT_OF_MEMORY) and _OWN_LIMIT not in exc.detail:
            return _NO_MEMORY
        return orjson.dumps({"unusable": exc.reason, "detail": exc.detail[:1000]})
    except MemoryError:
        return _NO_MEMORY
    except Exception as exc:  # our own bug: the caller raises it
        return orjson.dumps({"mistake": f"{type(exc).__name__}: {exc}"[:1000]})
    return orjson.dumps(facts | {"length": len(made)})


if __name__ == "__main__":
    main()
