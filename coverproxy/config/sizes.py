"""Formats and sizes: the boxes that pictures are fitted into, and how they are encoded."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from math import log
from typing import Annotated, Any, Literal

from pydantic import Field

from coverproxy.config.base import Section
from coverproxy.domain.formats import Format


class Formats(Section):
    """Which formats there are besides JPEG, and what the background may spend on them."""

    webp: bool = True
    avif: bool = True
    background_cores: Annotated[float, Field(ge=0.0, le=1.0)] = 0.25
    background_idle: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.2
    background_queue: Annotated[int, Field(ge=1, le=100_000)] = 1000

    @property
    def enabled(self) -> frozenset[Format]:
        """All formats that are switched on."""
        on = {Format.WEBP: self.webp, Format.AVIF: self.avif}
        return frozenset({Format.JPEG} | {form for form, is_on in on.items() if is_on})


class Jpeg(Section):
    """How a size's JPEGs are encoded."""

    quality: Annotated[int, Field(ge=1, le=100)] = 67
    chroma: Literal["4:4:4", "4:2:0"] = "4:4:4"
    quant_table: Annotated[int, Field(ge=0, le=8)] = 3
    trellis: bool = False
    optimize: bool = False


class Webp(Section):
    """How a size's WebPs are encoded."""

    quality: Annotated[int, Field(ge=1, le=100)] = 86
    effort: Annotated[int, Field(ge=0, le=6)] = 2
    smart_subsample: bool = True


class Avif(Section):
    """How a size's AVIFs are encoded."""

    quality: Annotated[int, Field(ge=1, le=100)] = 64
    effort: Annotated[int, Field(ge=0, le=9)] = 4
    chroma: Literal["4:4:4", "4:2:0"] = "4:4:4"


QUICK_EFFORT = 1
"""Of an AVIF that somebody waits for: a tenth of the time of effort 4, for a tenth more bytes."""


class Size(Section):
    """A named box, and how pictures are fitted into it."""

    width: Annotated[int, Field(ge=10, le=4000)]
    height: Annotated[int, Field(ge=10, le=4000)]
    fit: Literal["fit", "pad", "crop", "full"] = "fit"
    prewarm: bool = True
    decode_scale: Annotated[float, Field(ge=1.0, le=8.0)] = 2.0
    offers: Annotated[tuple[Literal["avif", "webp"], ...], Field(strict=False)] = ("avif",)
    jpeg: Jpeg = Jpeg()
    webp: Webp = Webp()
    avif: Avif = Avif()

    @property
    def formats(self) -> frozenset[Format]:
        """The formats that it may be made in: with all pixels, WebP takes 10 s and AVIF 30."""
        return frozenset({Format.JPEG} if self.fit == "full" else Format)

    def offered(self, formats: Formats) -> frozenset[Format]:
        """The formats beside JPEG that a client which names them gets of this size."""
        return frozenset(Format(name) for name in self.offers) & formats.enabled & self.formats

    @property
    def quick(self) -> "Size":
        """The same, made with less effort for a client that waits: a detailed AVIF may take half a minute."""
        effort = min(self.avif.effort, QUICK_EFFORT)
        return self.model_copy(update={"avif": self.avif.model_copy(update={"effort": effort})})

    def revision(self, form: Format, renderer: int) -> str:
        """Return a revision for the bytes of this size in one format, ten hex digits.

        *renderer*: the revision of the rendering code. Only the fields below count: a setting of another
        format, or a new setting at its default, must not cause covers to be rendered again.
        """
        told = [f"{form.value} {renderer}", *self._box, *_fields(getattr(self, form.name.lower()))]
        return _ten_digits("\n".join(told))

    @property
    def _box(self) -> list[str]:
        box = [f"{name}={getattr(self, name)}" for name in ("width", "height", "decode_scale")]
        return box if self.fit in ("fit", "full") else [*box, f"fit={self.fit}"]

    def former_revisions(self, renderers: Iterable[int]) -> list[str]:
        """Return the revisions as layout v1 computed them: from all settings, for every format at once."""
        dump = self.model_dump(include={"width", "height", "decode_scale"})
        for form in Format:
            section = form.name.lower()
            dump[section] = getattr(self, section).model_dump(include=set(REVISED[section]))
        told = json.dumps(dump, separators=(",", ":"))
        return [_ten_digits(f"{renderer}:{told}") for renderer in renderers]


REVISED = {
    "jpeg": ("quality", "chroma", "quant_table", "trellis"),
    "webp": ("quality", "effort", "smart_subsample"),
    "avif": ("quality", "effort", "chroma"),
}
"""The settings of each format that change its bytes. A new setting MUST go into LATER instead."""

LATER: dict[str, dict[str, Any]] = {"jpeg": {"optimize": False}, "webp": {}, "avif": {}}
"""Settings added later, with their defaults; they count only when they differ."""


def largest(sizes: Iterable[Size]) -> Size:
    """Return the size with the largest box: what can be rendered for it, can be for all."""
    return max(sizes, key=lambda size: size.width * size.height)


def _fields(encoder: Section) -> list[str]:
    section = type(encoder).__name__.lower()
    added = [name for name, default in LATER[section].items() if getattr(encoder, name) != default]
    return [f"{name}={getattr(encoder, name)}" for name in (*REVISED[section], *added)]


def _ten_digits(text: str) -> str:
    return hashlib.blake2s(text.encode(), digest_size=5).hexdigest()


STEPS = ("small", "medium", "large")
"""The default sizes that give other sizes their encoder settings, and that the pages show."""

FINE_SCALE = 3.5
"""The decode scale below 200 px: at 2, fine print of small covers is lost. More scores no better."""

FULL_PX = 4000
"""Most px of either side where a cover is shown with all its pixels: 16 megapixels, which take a second."""


def default_sizes() -> dict[str, dict[str, Any]]:
    """The named sizes, with the settings that gave the best picture for the bytes (bench/quality.py).

    xlarge has those of the ladder's rung of its width.
    """
    return {
        "small": {
            **_box(100, 150),
            "decode_scale": FINE_SCALE,
            "jpeg": {"quality": 90, "optimize": True},
            "webp": {"quality": 93},
            "avif": {"quality": 90},
        },
        "medium": _box(200, 300),
        "large": {
            **_box(500, 750),
            "jpeg": {"quality": 83, "chroma": "4:2:0", "quant_table": 2, "optimize": True},
            "offers": ["avif", "webp"],
            "webp": {"quality": 83, "effort": 4},
            "avif": {"quality": 64},
        },
        "xlarge": {
            **_box(1000, 1500),
            "prewarm": False,
            "jpeg": {"quality": 78, "chroma": "4:2:0", "quant_table": 2},
            "webp": {"quality": 80, "effort": 4},
            "avif": {"quality": 80, "effort": 1},
        },
    }


def _box(width: int, height: int) -> dict[str, Any]:
    return {"width": width, "height": height}


def below(name: str, box: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the config's table of a size is merged over.

    A new box gets the settings of the step closest in height; one with all pixels gets xlarge's and
    bounds. An xlarge with its own width and height is a new box, as it was before there was a default one.
    """
    defaults = default_sizes()
    if box.get("fit") == "full":
        return _pictured(defaults["xlarge"]) | _box(FULL_PX, FULL_PX) | {"prewarm": False, "offers": []}
    is_new = name not in defaults or (name not in STEPS and {"width", "height"} <= box.keys())
    return nearest(box.get("height")) if is_new else defaults[name]


def nearest(height: Any) -> dict[str, Any]:
    """Return the settings, but the box, of the step that is closest in height."""
    if not isinstance(height, int) or height <= 0:
        return {}  # reported as a mistake later
    return _pictured(default_sizes()[nearest_name(height)])


def nearest_name(height: int) -> str:
    """Return the step that is closest in height."""
    sizes = default_sizes()
    return min(STEPS, key=lambda each: abs(log(sizes[each]["height"] / height)))


def _pictured(size: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in size.items() if isinstance(value, dict) or name == "decode_scale"}
