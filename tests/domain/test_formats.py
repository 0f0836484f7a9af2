"""What bytes say they are, how large a picture they hold, and whether their end is there."""

import hashlib
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coverproxy.domain.formats import Format, Loader, dimensions, is_whole, sniff
from coverproxy.imaging import vips

WIDTH, HEIGHT = 70, 110
AV1 = {"compression": "av1", "effort": 0}

ENCODERS: dict[str, tuple[Format, str, dict[str, Any]]] = {
    "jpeg": (Format.JPEG, "jpegsave_buffer", {"Q": 70}),
    "jpeg, progressive": (Format.JPEG, "jpegsave_buffer", {"interlace": True}),
    "jpeg, 4:2:0": (Format.JPEG, "jpegsave_buffer", {"subsample_mode": "on"}),
    "webp": (Format.WEBP, "webpsave_buffer", {"Q": 70}),
    "webp, lossless": (Format.WEBP, "webpsave_buffer", {"lossless": True}),
    "avif": (Format.AVIF, "heifsave_buffer", AV1),
    "avif, 4:2:0": (Format.AVIF, "heifsave_buffer", AV1 | {"subsample_mode": "on"}),
}


def noise(width: int, height: int, bands: int = 3) -> Any:
    """A picture that does not compress to nothing."""
    pixels = hashlib.shake_256(b"noise").digest(width * height * bands)
    image = vips.library().Image.new_from_memory(pixels, width, height, bands, "uchar")
    return image.copy(interpretation="srgb")


@cache
def encoded(name: str, width: int = WIDTH, height: int = HEIGHT, bands: int = 3) -> tuple[bytes, Format]:
    """A picture as one of ENCODERS writes it."""
    form, saver, options = ENCODERS[name]
    return getattr(noise(width, height, bands), saver)(keep="none", **options), form


BRANDS = [b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis"]

MAGIC = {
    "JPEG": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", Loader.JPEG),
    "JPEG, Exif": (b"\xff\xd8\xff\xe1", Loader.JPEG),
    "PNG": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR", Loader.PNG),
    "GIF of 1987": (b"GIF87a\x01\x00", Loader.GIF),
    "GIF of 1989": (b"GIF89a\x01\x00", Loader.GIF),
    "WebP": (b"RIFF\x24\x00\x00\x00WEBPVP8 ", Loader.WEBP),
    "TIFF, small end first": (b"II*\x00\x08\x00", Loader.TIFF),
    "TIFF, big end first": (b"MM\x00*\x00\x00", Loader.TIFF),
} | {
    f"HEIF, {brand.decode()}": (b"\x00\x00\x00\x1cftyp" + brand + b"\x00\x00\x00\x00", Loader.HEIF)
    for brand in BRANDS
}


@pytest.mark.parametrize(("head", "loader"), MAGIC.values(), ids=MAGIC.keys())
def test_allowed_pictures_are_told_by_their_magic(head: bytes, loader: Loader) -> None:
    """The first bytes alone tell the loader."""
    assert sniff(head) is loader


LIES = {
    "nothing": b"",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg">',
    "SVG behind a declaration": b'<?xml version="1.0"?><svg>',
    "PDF": b"%PDF-1.7",
    "PostScript": b"%!PS-Adobe-3.0",
    "HTML": b"<!DOCTYPE html><html>",
    "ImageMagick's MVG": b"push graphic-context\nviewbox 0 0 640 480",
    "ImageMagick's MSL": b'<?xml version="1.0"?><image><read filename="/etc/passwd"/>',
    "BMP": b"BM\x36\x00\x00\x00",
    "JPEG XL": b"\xff\x0a",
    "JPEG 2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n",
    "libvips' own format": b"\x08\xf2\xa6\xb6",
    "OpenEXR": b"v/1\x01",
    "PPM": b"P6\n1 1\n255\n",
    "matrix text": b"2 2\n1 2\n3 4\n",
    "BigTIFF": b"II+\x00\x08\x00",
    "RIFF that is sound": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "MP4 film": b"\x00\x00\x00\x1cftypisom\x00\x00\x00\x00",
    "a magic one byte late": b"\x00\xff\xd8\xff\xe0",
    "a magic in capital letters": b"GIF89A",
    "half a magic": b"\x89PNG",
}


@pytest.mark.parametrize("head", LIES.values(), ids=LIES.keys())
def test_nothing_else_is_a_picture(head: bytes) -> None:
    """What is not on the list of allowed kinds has no loader, whatever name or type it came with."""
    assert sniff(head) is None


@pytest.mark.parametrize("name", ENCODERS)
def test_what_we_write_is_told_from_32_bytes(name: str) -> None:
    """The first 32 bytes of every format that we write name the loader that reads it."""
    body, form = encoded(name)

    assert sniff(body[:32]) is {Format.JPEG: Loader.JPEG, Format.WEBP: Loader.WEBP}.get(form, Loader.HEIF)


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("size", [(16, 16), (70, 110), (111, 17), (300, 301)], ids=str)
def test_dimensions_are_those_encoded(name: str, size: tuple[int, int]) -> None:
    """Width and height are read from the bytes, odd ones too, and the file is whole."""
    body, form = encoded(name, *size)

    assert dimensions(body, form) == size
    assert is_whole(body, form)


def test_dimensions_of_a_webp_with_alpha() -> None:
    """A WebP of the extended layout tells its size too."""
    body, form = encoded("webp", WIDTH, HEIGHT, bands=4)

    assert body[12:16] == b"VP8X"
    assert dimensions(body, form) == (WIDTH, HEIGHT)
    assert is_whole(body, form)


def test_dimensions_behind_a_comment() -> None:
    """A comment segment before the frame header, as small JPEGs are padded with, is stepped over."""
    body, form = encoded("jpeg")
    padded = body[:2] + b"\xff\xfe\x00\x0c" + b"\xff\xc0\x00\x00\x00\x00\x00\x00\x00\x00" + body[2:]

    assert dimensions(padded, form) == (WIDTH, HEIGHT)
    assert is_whole(padded, form)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_cut_file_is_never_whole(name: str) -> None:
    """However many bytes of its end are missing, a file is known not to be whole."""
    body, form = encoded(name)

    assert [length for length in range(len(body)) if is_whole(body[:length], form)] == []


@pytest.mark.parametrize("name", ENCODERS)
def test_a_cut_file_has_its_dimensions_or_none(name: str) -> None:
    """A file cut anywhere tells the right size, or none where the cut took it: never a wrong one."""
    body, form = encoded(name)

    told = {dimensions(body[:length], form) for length in range(len(body))}

    assert told <= {None, (WIDTH, HEIGHT)}


@pytest.mark.parametrize("form", Format)
def test_a_file_of_zeros_is_not_whole(form: Format) -> None:
    """What some file systems leave after a crash, a file of the right length full of zeros, is not whole."""
    assert not is_whole(bytes(4096), form)
    assert dimensions(bytes(4096), form) is None


@settings(deadline=None)
@given(st.sampled_from([*ENCODERS]), st.integers(0, 1999), st.binary(min_size=1, max_size=24))
def test_damage_is_no_exception(name: str, at: int, junk: bytes) -> None:
    """Bytes overwritten anywhere may change the answer, and never raise."""
    body, form = encoded(name)
    damaged = body[: at % len(body)] + junk + body[at % len(body) + len(junk) :]

    assert is_whole(damaged, form) in (True, False)
    assert dimensions(damaged, form) is None or len(dimensions(damaged, form) or ()) == 2


HEADS = st.sampled_from([b"", *(head for head, _ in MAGIC.values()), *LIES.values()])


@settings(deadline=None)
@given(HEADS, st.binary(max_size=200), st.sampled_from([*Format]))
def test_any_bytes_are_judged(head: bytes, rest: bytes, form: Format) -> None:
    """Whatever the bytes, every question gets an answer and no exception."""
    body = head + rest

    assert sniff(body[:32]) == sniff(body)
    assert is_whole(body, form) in (True, False)
    assert dimensions(body, form) is None or is_pair(dimensions(body, form))


def is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(side, int) for side in value)


def test_media_types_have_no_parameters() -> None:
    """Content-Type is exactly image/jpeg, image/webp, image/avif: clients compare it by equality."""
    assert [form.media_type for form in Format] == ["image/jpeg", "image/webp", "image/avif"]


def test_endings_of_originals() -> None:
    """A stored original gets the ending that people know."""
    assert {loader.ending for loader in Loader} == {"jpg", "png", "webp", "gif", "tif", "heif"}
