"""libvips: checks its version, and that it reads and writes what we need, and nothing unsafe."""

from collections.abc import Iterator
from typing import Any

from coverproxy.config import Formats
from coverproxy.doctor.checks.finding import Finding, fine, problem
from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Format, Loader
from coverproxy.imaging import vips

LEAST_VERSION = (8, 18, 4)

VERSION, READS, WRITES, BLOCKED = "libvips", "image types read", "image types written", "unsafe image types"

_UPDATE = "pip install -U 'pyvips[binary]' 'pyvips-binary>=8.18.4'"
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10" height="10"/></svg>'
_SAVERS: dict[Format, tuple[str, dict[str, Any]]] = {
    Format.JPEG: ("jpegsave_buffer", {}),
    Format.WEBP: ("webpsave_buffer", {}),
    Format.AVIF: ("heifsave_buffer", {"compression": "av1"}),
}
_ROUND_TRIP: dict[Loader, tuple[str, dict[str, Any]]] = {
    Loader.JPEG: _SAVERS[Format.JPEG],
    Loader.PNG: ("pngsave_buffer", {}),
    Loader.WEBP: _SAVERS[Format.WEBP],
    Loader.GIF: ("gifsave_buffer", {}),
    Loader.TIFF: ("tiffsave_buffer", {}),
    Loader.HEIF: _SAVERS[Format.AVIF],
}


def look(formats: Formats) -> Iterator[Finding]:
    """Load libvips as the service does, and test it."""
    try:
        library = vips.library()
    except (ImportError, OSError) as exc:
        yield problem(VERSION, f"cannot be loaded: {exc}", _UPDATE)
        return
    yield _version(tuple(library.version(part) for part in range(3)))
    yield _reads(library)
    yield _writes(library, formats)
    yield _blocks(library)


def _version(version: tuple[int, ...]) -> Finding:
    told = ".".join(map(str, version))
    if version < LEAST_VERSION:
        found = f"{told}: 8.18.4 fixes some eighty memory faults in the decoders"
        return problem(VERSION, found, _UPDATE)
    return fine(VERSION, told)


def _picture(library: Any) -> Any:
    return library.Image.black(16, 16, bands=3).copy(interpretation="srgb")


def _reads(library: Any) -> Finding:
    lacking = [loader.value for loader in Loader if not _can_read(library, loader)]
    if lacking:
        return problem(READS, f"cannot read {', '.join(lacking)}", _UPDATE)
    return fine(READS, ", ".join(loader.value for loader in Loader))


def _can_read(library: Any, loader: Loader) -> bool:
    """Read a picture just written; if its format cannot be written here, look for its loader."""
    name, options = _ROUND_TRIP[loader]
    try:
        body = getattr(_picture(library), name)(**options)
    except library.Error:
        return bool(library.type_find("VipsOperation", f"{loader.value}load_buffer"))
    try:
        vips.open_original(body, loader).avg()
    except (UnusableOriginal, library.Error):
        return False
    return True


def _writes(library: Any, formats: Formats) -> Finding:
    wanted = [form for form in Format if form in formats.enabled]
    lacking = [form.value for form in wanted if not _can_write(library, form)]
    if lacking:
        off = "".join(f"; or formats.{name} = false in the config" for name in lacking if name != "jpg")
        return problem(WRITES, f"cannot write {', '.join(lacking)}", _UPDATE + off)
    return fine(WRITES, ", ".join(form.value for form in wanted))


def _can_write(library: Any, form: Format) -> bool:
    name, options = _SAVERS[form]
    try:
        return bool(getattr(_picture(library), name)(**options))
    except library.Error:
        return False


def _blocks(library: Any) -> Finding:
    """Try to have an SVG read: SVGs can reference other files, and their reader is unsafe for untrusted
    input.
    """
    for attempt in (library.Image.new_from_buffer, library.Image.svgload_buffer):
        try:
            attempt(*((_SVG, "") if attempt is library.Image.new_from_buffer else (_SVG,)))
        except library.Error:
            continue
        return problem(BLOCKED, "an SVG was read: untrusted loaders are not blocked", _UPDATE)
    return fine(BLOCKED, "blocked: an SVG is refused")
