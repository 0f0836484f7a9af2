"""Results of decoding, as values. A render process returns them; they are checked before use."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from coverproxy.config import Config
from coverproxy.domain.errors import DecoderDied
from coverproxy.domain.formats import Format, Loader, dimensions
from coverproxy.imaging.detail import Measure
from coverproxy.imaging.preview import Preview
from coverproxy.imaging.render import Rendered
from coverproxy.imaging.render_process import Bounds, RenderReply
from coverproxy.imaging.render_processes import RenderProcesses
from coverproxy.imaging.settings import LimitSettings, SizeSettings, limit_values, size_values

_SPARE_BYTES = 67_108_864
"""Memory of a render process beyond what its original needs to decode, which is estimated beforehand."""

_MOST_KNOWN = 256


@dataclass(frozen=True, slots=True)
class Measured:
    """The header's facts: (width, height) in px as a viewer sees it, and the codec inside a HEIF file.

    `too_large`: why decoding would exceed the memory limit; empty if it does not.
    """

    sides: tuple[int, int]
    coding: str
    too_large: str


class Decoder(Protocol):
    """Decodes an original's bytes. All methods block and raise UnusableOriginal."""

    def render(self, body: bytes, size: SizeSettings, form: Format, limits: LimitSettings) -> Rendered:
        """Render it; see render.render()."""
        ...

    def verify(self, body: bytes, size: SizeSettings, limits: LimitSettings) -> Measure:
        """Decode all of it once, and say how much of its size is real; see render.verify()."""
        ...

    def glance(self, body: bytes, limits: LimitSettings) -> Preview:
        """Return its preview."""
        ...

    def measure(self, body: bytes, loader: Loader, most_decoded: int) -> Measured:
        """Read its header, but no pixels."""
        ...

    def detail(self, body: bytes, limits: LimitSettings) -> Measure:
        """Say how much of its size is real, as detail.measure() does."""
        ...


class _Arguments(tuple[Any, ...]):
    """Arguments that equal themselves alone: to hash and compare settings takes forty calls a picture."""

    __slots__ = ()
    __hash__ = object.__hash__
    __eq__ = object.__eq__

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (tuple(self),)  # as a render process knows them


class _Known(NamedTuple):
    """Arguments, and the settings that they are of, whose ids are nobody else's as long as they are here."""

    size: SizeSettings
    limits: LimitSettings
    arguments: _Arguments


class ProcessDecoder:
    """Decodes in render processes. Also raises DecoderDied if the process died, and Unavailable."""

    def __init__(self, processes: RenderProcesses) -> None:
        self._processes = processes
        self._known: dict[tuple[int, Format, int], _Known] = {}

    def render(self, body: bytes, size: SizeSettings, form: Format, limits: LimitSettings) -> Rendered:
        """See Decoder."""
        answer = self._processes.run("render", self._arguments(size, form, limits), body)
        if dimensions(answer.body, form) is None:
            raise DecoderDied(f"its process returned bytes that are not {form.value}")
        return Rendered(answer.body, _sides(answer, "size"), _sides(answer, "original"))

    def _arguments(self, size: SizeSettings, form: Format, limits: LimitSettings) -> "_Arguments":
        """Return the values of settings, which are the same few objects all the time, kept with them."""
        place = id(size), form, id(limits)
        if (known := self._known.get(place)) is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = _Arguments((size_values(size), form, limit_values(limits)))
            known = self._known[place] = _Known(size, limits, found)
        return known.arguments

    def verify(self, body: bytes, size: SizeSettings, limits: LimitSettings) -> Measure:
        """See Decoder."""
        return _measured(self._processes.run("verify", (size_values(size), limit_values(limits)), body))

    def glance(self, body: bytes, limits: LimitSettings) -> Preview:
        """See Decoder."""
        answer = self._processes.run("glance", (limit_values(limits),), body)
        return Preview(_number(answer.facts.get("colour"), 0xFFFFFF), answer.body)

    def measure(self, body: bytes, loader: Loader, most_decoded: int) -> Measured:
        """See Decoder."""
        answer = self._processes.run("measure", (loader, most_decoded), body)
        return Measured(_sides(answer, "sides"), _text(answer, "coding"), _text(answer, "too_large"))

    def detail(self, body: bytes, limits: LimitSettings) -> Measure:
        """See Decoder."""
        return _measured(self._processes.run("detail", (limit_values(limits),), body))


_MOST_SIDE = 2**32 - 1
"""What PNG and HEIF headers can claim: it is refused for its pixels, not taken for a lie."""


def _sides(answer: RenderReply, name: str) -> tuple[int, int]:
    match answer.facts.get(name):
        case [width, height]:
            return _number(width, _MOST_SIDE), _number(height, _MOST_SIDE)
    raise DecoderDied(f"its process returned no {name}")


def _measured(answer: RenderReply) -> Measure:
    detail, content = (_number(answer.facts.get(name), 100) for name in ("detail", "content"))
    return Measure(detail / 100, content / 100)


def _text(answer: RenderReply, name: str) -> str:
    return str(answer.facts.get(name, ""))[:200]


def _number(value: Any, most: int) -> int:
    if not isinstance(value, int) or not 0 <= value <= most:
        raise DecoderDied("its process returned a number out of range")
    return value


def render_processes(config: Config, count: int, patience: float = 1.0, niceness: int = 0) -> RenderProcesses:
    """Build the render processes, each bounded by the config; does not start them."""
    return RenderProcesses(count, bounds(config, patience, niceness))


def bounds(config: Config, patience: float = 1.0, niceness: int = 0) -> Bounds:
    """Return the bounds of a render process by the config."""
    seconds, memory = config.render.time_limit_seconds * patience, config.limits.max_decoded_bytes
    return Bounds(seconds, memory + _SPARE_BYTES, config.limits.max_bytes, niceness)
