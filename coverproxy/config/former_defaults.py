"""The default encoder settings of earlier versions: what they made stays valid when the defaults change."""

from collections.abc import Iterator
from itertools import product

from coverproxy.config.base import Section
from coverproxy.config.ladder import between
from coverproxy.config.sizes import Avif, Jpeg, Size, Webp
from coverproxy.domain.formats import Format

_FULL_COLOUR_WIDTH = 200
"""Up to this width in px, JPEGs have always kept their whole chroma."""

_FORMER_SCALE = 2.0
"""The decode scale of every size up to d12289a."""


def equals(size: Size, default: Size, width: int, form: Format) -> list[Size]:
    """Return *size* as each version had it that left the same settings to its defaults, today's first.

    *default*: today's default for it; *width*: of the default size or rung that its settings come from. A
    field with today's default counts as not set; a field that the operator set stays as it is.
    """
    encoders = _encoders(size, default, width, form)
    return [
        size.model_copy(update={"decode_scale": scale, form.name.lower(): encoder})
        for scale in _scales(size, default)
        for encoder in encoders
    ]


def combined(size: Size, default: Size, width: int) -> Iterator[Size]:
    """Yield the same for all formats at once, as layout v1 counted them."""
    names = [form.name.lower() for form in Format]
    every = [_encoders(size, default, width, form) for form in Format]
    for scale in _scales(size, default):
        for encoders in product(*every):
            changed = dict(zip(names, encoders, strict=True))
            yield size.model_copy(update={"decode_scale": scale, **changed})


def _scales(size: Size, default: Size) -> list[float]:
    """Return the decode scale, and that of earlier versions: every size was decoded at twice its target."""
    is_set = size.decode_scale != default.decode_scale
    return [size.decode_scale] if is_set else [*dict.fromkeys((size.decode_scale, _FORMER_SCALE))]


def _encoders(size: Size, default: Size, width: int, form: Format) -> list[Section]:
    section = form.name.lower()
    present, usual = getattr(size, section), getattr(default, section)
    found = [present]
    for former in _formers(form, width):
        changed = {
            name: value
            for name, value in former.model_dump().items()
            if getattr(present, name) == getattr(usual, name)
        }
        mixed = present.model_copy(update=changed)
        if mixed not in found:
            found.append(mixed)
    return found


def _formers(form: Format, width: int) -> list[Section]:
    """Return the former defaults at a width, the earliest first."""
    if form is Format.JPEG:
        return [*_jpegs(width)]
    if form is Format.WEBP:
        return [*_webps(width)]
    return [*_avifs(width)]


def _jpegs(width: int) -> Iterator[Jpeg]:
    quality = {100: 90, 200: 68, 500: 82}.get(width)
    if quality and width <= _FULL_COLOUR_WIDTH:
        yield Jpeg(quality=quality)
    elif quality:
        yield Jpeg(quality=quality, chroma="4:2:0", quant_table=2)


def _webps(width: int) -> Iterator[Webp]:
    if width > _FULL_COLOUR_WIDTH:
        yield Webp(quality=86, effort=2, smart_subsample=width < 500)


def _avifs(width: int) -> Iterator[Avif]:
    yield Avif(quality={100: 87, 500: 66}.get(width, 68), effort=1)
    if width <= 500:
        yield Avif(quality=between({60: 91, 100: 89, 200: 62, 500: 64}, width), effort=4)
    else:
        yield Avif(quality=between({500: 64, 640: 73, 800: 80, 1000: 80}, width), effort=1)
