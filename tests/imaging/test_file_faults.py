"""Files as people have them: each is shown as browsers show it, or refused with a reason of its own."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import files_by_hand as by_hand
import images
import numpy as np
import PIL.Image
import pytest
from decoders import look
from hypothesis import given, settings
from hypothesis import strategies as st

from coverproxy.config import Config, Import
from coverproxy.domain import file_kinds
from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Format, Loader
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.imaging import gif, jpeg, jpeg_repair, tiff, vips
from coverproxy.imaging.render import render
from coverproxy.originals.examine import OriginalRefused

CONFIG = Config()
JPEGS = ["jpeg-444", "jpeg-420", "jpeg-progressive", "jpeg-restarts", "jpeg-grey", "jpeg-cmyk-profile"]


def made(body: bytes, size: str = "medium", form: Format = Format.JPEG) -> bytes:
    return render(body, CONFIG.sizes[size], form, CONFIG.limits).body


def why(body: bytes) -> str:
    with pytest.raises(UnusableOriginal) as refused:
        made(body)
    return str(refused.value)


def why_not_imported(body: bytes) -> str:
    with pytest.raises(OriginalRefused) as refused:
        look(body, Identifier(ISBN, "9780141439518"), CONFIG.limits, Import())
    return str(refused.value)


def middle(body: bytes) -> Any:
    """The colour in the middle of a derivative."""
    pixels = images.decoded(body)
    return pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]


# --- the reason is this file's own ---------------------------------------------------------------


def sound() -> list[bytes]:
    """Files that are rendered, and leave something behind in libvips' buffer of errors."""
    odd = images.with_new_jfif(images.jpeg(images.cover(), keep="none"))
    return [images.drawn("avif"), images.drawn("avif-alpha"), odd, images.drawn("tiff-tiled")]


BROKEN: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: images.broken(images.drawn("jpeg-444"), 0.5),
    "png": lambda: images.flipped(images.drawn("png-rgb"), len(images.drawn("png-rgb")) // 2),
    "gif": lambda: images.drawn("gif")[:40],
    "webp": lambda: images.drawn("webp")[:400],
    "tiff": lambda: images.drawn("tiff")[:4000],
    "avif": lambda: images.drawn("avif")[:300],
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_reason_is_this_files_own(kind: str) -> None:
    """Whatever was rendered or refused before, a file is refused with the same words, and none of others."""
    body = BROKEN[kind]()
    vips.forget_errors()
    alone = why(body), why_not_imported(body) if kind in ("gif", "webp", "avif") else ""
    for file in sound():
        made(file)
    for other in BROKEN:
        if other != kind:
            why(BROKEN[other]())
    assert why(body) == alone[0]
    if alone[1]:
        assert why_not_imported(body) == alone[1]
    assert kind == "avif" or "bad seek" not in alone[0]


def test_another_threads_words_are_left_out() -> None:
    """libvips has one buffer of errors for all threads: lines of other loaders are not this file's."""

    class Error:
        detail = "source: bad seek to 1024\nVipsJpeg: 8322 extraneous bytes\nimage: bad labq format\n"
        message = ""

    assert vips.said(Error, Loader.TIFF) == "VipsJpeg: 8322 extraneous bytes; image: bad labq format"
    assert vips.said(Error, Loader.PNG) == "image: bad labq format"


# --- JPEGs that browsers show ---------------------------------------------------------------------


def boundaries(body: bytes) -> list[int]:
    """Where a JPEG's segments begin, up to its first scan's header."""
    return [at - 4 for _, at, _, _ in jpeg.segments(body)]


@pytest.mark.parametrize("junk", [b"\0", b"\0\0\0\0", b"\0\x12\xff\0\x34", b"\xff\xd0", b"\x55" * 300])
@pytest.mark.parametrize("kind", JPEGS)
def test_junk_between_segments_costs_no_cover(kind: str, junk: bytes) -> None:
    """Wherever junk stands before the first scan, the picture is as without it."""
    body = images.drawn(kind)
    expected = images.decoded(made(body))
    for at in boundaries(body)[1:]:
        shown = images.decoded(made(body[:at] + junk + body[at:]))
        assert np.abs(shown - expected).mean() < 1.5, at  # libvips may scale one, and not the other


@pytest.mark.parametrize("missing", [1, 2])
@pytest.mark.parametrize("size", CONFIG.sizes)
@pytest.mark.parametrize("kind", JPEGS)
def test_a_missing_end_costs_no_cover(kind: str, size: str, missing: int) -> None:
    """A JPEG that lacks nothing but its end marker, or half of it, gives the same picture as with it."""
    body = images.drawn(kind)
    assert body.endswith(b"\xff\xd9")
    expected = images.decoded(made(body, size))
    assert np.array_equal(images.decoded(made(body[:-missing], size)), expected)


@pytest.mark.parametrize("tail", [bytes(100), bytes(4096), b"\xff" * 50], ids=["zeros", "a block", "ones"])
@pytest.mark.parametrize("kind", JPEGS)
def test_room_behind_a_missing_end_costs_no_cover(kind: str, tail: bytes) -> None:
    """Zeros or fill bytes where the end marker should be, as of a block never written, hide no picture."""
    body = images.drawn(kind)
    shown = images.decoded(made(body[:-2] + tail))
    assert np.abs(shown - images.decoded(made(body))).mean() < 1.5  # libvips may scale one, and not the other


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0.02, 0.9), kind=st.sampled_from(JPEGS), size=st.sampled_from(list(CONFIG.sizes)))
def test_a_missing_part_still_does(share: float, kind: str, size: str) -> None:
    """A cut through the picture is refused, wherever it is: no cover has a grey foot."""
    body = images.drawn(kind)
    start = len(body) - len(images.scan(body))
    with pytest.raises(UnusableOriginal):
        made(body[: start + int((len(body) - start) * share)], size)


def test_a_cut_between_two_scans_is_refused() -> None:
    """A progressive JPEG of which whole scans are missing decodes without a warning, to a coarse picture."""
    body = images.drawn("jpeg-progressive")
    starts, at = [], 0
    while (at := body.find(b"\xff\xda", at)) >= 0:
        starts.append(at)
        at += 2
    assert len(starts) > 4
    for start in starts[1:]:
        table = body.rfind(b"\xff\xc4", 0, start)
        for cut in (start, table):
            with pytest.raises(UnusableOriginal):
                made(body[:cut])


@given(st.binary(max_size=300))
def test_repairing_never_raises(tail: bytes) -> None:
    """Any bytes come back as bytes; a sound JPEG of libjpeg's comes back as it was."""
    assert isinstance(jpeg_repair.repaired(b"\xff\xd8" + tail), bytes)
    whole = images.drawn("jpeg-420")
    assert isinstance(jpeg_repair.repaired(whole[: len(tail) * 3] + tail), bytes)
    assert images.scan(jpeg_repair.repaired(whole)) == images.scan(whole)


# --- bands that are not alpha ---------------------------------------------------------------------


def bands(*colours: int, width: int = 60, height: int = 90) -> np.ndarray:
    """A page of one colour, in as many bands."""
    return np.full((height, width, len(colours)), colours, np.uint8)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("more", [(0,), (128,), (255,), (0, 0), (9, 0, 77), (1, 2, 3, 4, 5)])
def test_extra_samples_are_not_alpha(order: str, more: tuple[int, ...]) -> None:
    """A selection or spot colours beside RGB, declared or not, change no pixel (TIFF 6 §18)."""
    for extra in (None, (0,) * len(more)):
        body = by_hand.tiff(bands(255, 0, 0, *more), order=order, extra=extra)
        assert middle(made(body)) == pytest.approx([255, 0, 0], abs=3)


@pytest.mark.parametrize("more", [(0,), (200,), (7, 8, 9)])
def test_nor_are_they_beside_cmyk_and_grey(more: tuple[int, ...]) -> None:
    """The same beside CMYK and grey."""
    extra = (0,) * len(more)
    cmyk = middle(made(by_hand.tiff(bands(0, 255, 255, 0, *more), photometric=5, extra=extra)))
    assert cmyk == pytest.approx(middle(made(by_hand.tiff(bands(0, 255, 255, 0), photometric=5))), abs=1)
    assert cmyk == pytest.approx([237, 28, 36], abs=12)
    assert middle(made(by_hand.tiff(bands(90, *more), photometric=1, extra=extra))) == pytest.approx(
        [90, 90, 90], abs=2
    )


@pytest.mark.parametrize(("extra", "alpha"), [((2,), 3), ((0, 0, 2), 5), ((2, 0, 0), 3)])
def test_a_band_that_is_alpha_lies_on_white(extra: tuple[int, ...], alpha: int) -> None:
    """Where a band is declared to be alpha, it is obeyed, whichever of the bands it is."""
    values = [200, 40, 40, *[60] * len(extra)]
    values[alpha] = 0
    assert middle(made(by_hand.tiff(bands(*values), extra=extra))) == pytest.approx([255] * 3, abs=2)
    values[alpha] = 255
    assert middle(made(by_hand.tiff(bands(*values), extra=extra))) == pytest.approx([200, 40, 40], abs=3)


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 12])
def test_a_derivative_has_three_bands(count: int, form: Format) -> None:
    """However many bands an original has, a derivative has no alpha channel."""
    body = by_hand.tiff(bands(*range(10, 10 + count)), photometric=2 if count > 2 else 1, extra=None)
    assert images.decoded(made(body, form=form)).shape[2] == 3


# --- TIFFs that libtiff cannot decode --------------------------------------------------------------


@pytest.mark.parametrize("tile", [True, False])
@pytest.mark.parametrize("method", [6, 34661, 34712, 34887, 34925, 50000, 50002, 99])
def test_a_tiff_that_cannot_be_decoded_is_refused(method: int, tile: bool) -> None:
    """libvips paints tiles black whose compression it does not know; strips it refuses. Both are refused."""
    body = by_hand.with_tag(images.tiff(images.cover(), tile=tile), 259, method)
    assert "which is not supported" in why(body)
    assert why_not_imported(body).startswith("header: a TIFF compressed by ")


@pytest.mark.parametrize(
    ("compression", "damage"), [("lzw", bytes(80)), ("deflate", b"\xff" * 400), ("jpeg", bytes(800))]
)
def test_a_tile_that_is_damaged_is_refused(compression: str, damage: bytes) -> None:
    """A tile that cannot be decoded is no black square in a cover."""
    body = images.tiff(images.cover(600, 900), tile=True, compression=compression)
    assert middle(made(body)) is not None
    half = len(body) // 2
    assert why(body[:half] + damage + body[half + len(damage) :]).startswith("decode: ")


# --- which picture of several -----------------------------------------------------------------------


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kinds", [(1, 0), (1, 1, 0), (1, 4, 0), (4, 0), (0, 1), (2, 0)])
def test_a_reduced_page_is_not_the_picture(kinds: tuple[int, ...], order: str) -> None:
    """The first page that is neither a preview nor a mask is shown, in its own size."""
    chosen = next(at for at, kind in enumerate(kinds) if kind in (0, 2))
    pages = [
        bands(200, 40, 40, width=120, height=180) if at == chosen else bands(0, 0, 200)
        for at in range(len(kinds))
    ]
    body = by_hand.tiff(*pages, subfiles=kinds, order=order)
    rendered = render(body, CONFIG.sizes["medium"], Format.JPEG, CONFIG.limits)
    assert rendered.original == (120, 180)
    assert middle(rendered.body) == pytest.approx([200, 40, 40], abs=3)
    original = look(body, Identifier(ISBN, "9780141439518"), CONFIG.limits, Import())
    assert (original.width, original.height) == (120, 180)


def test_where_all_are_reduced_the_first_is_shown() -> None:
    """A file of nothing but previews has a picture all the same."""
    body = by_hand.tiff(bands(200, 40, 40), bands(0, 0, 200), subfiles=(1, 1))
    assert middle(made(body)) == pytest.approx([200, 40, 40], abs=3)


@pytest.mark.parametrize("primary", [0, 1, 2])
def test_an_avif_shows_its_primary_picture(primary: int) -> None:
    """Of several pictures in an AVIF, the one that the file names is shown, in its own size."""
    pictures = [images.solid(images.CORNERS[at], 60 + 20 * at, 120) for at in range(3)]
    rendered = render(
        by_hand.avif_of(*pictures, primary=primary), CONFIG.sizes["medium"], Format.JPEG, CONFIG.limits
    )
    assert rendered.original == (60 + 20 * primary, 120)
    assert middle(rendered.body) == pytest.approx(images.CORNERS[primary], abs=6)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", by_hand.tiff(bands(1, 2, 3))[-200:]]),
    tail=st.binary(max_size=200),
)
def test_the_tiff_reader_never_raises(seed: bytes, tail: bytes) -> None:
    """Any bytes at all have a page."""
    assert tiff.picture(seed + tail).number >= 0
    assert tiff.picture(b"II*\0" + tail).bands >= 0


def test_pages_that_go_round_in_a_circle_end() -> None:
    """A chain of directories that leads back to itself is read once."""
    body = by_hand.tiff(bands(1, 2, 3), subfiles=(1,))
    start = struct.unpack_from("<I", body, 4)[0]
    circle = body[:-4] + struct.pack("<I", start)
    assert tiff.picture(circle).number == 0


# --- what the numbers mean -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gamma", "value", "shown"),
    [(100_000, 91, 160), (100_000, 255, 255), (60_000, 128, 151), (30_000, 128, 90)],
)
@pytest.mark.parametrize("kind", ["rgb", "alpha", "16-bit", "palette", "grey"])
def test_a_png_obeys_its_gamma(kind: str, gamma: int, value: int, shown: int) -> None:
    """gAMA is obeyed as browsers do: a number is raised to 1 / (2.2 × gamma); alpha is not."""
    picture = images.solid((value, value, value))
    drawn = {
        "rgb": lambda: images.png(picture),
        "alpha": lambda: images.png(picture.bandjoin(255)),
        "16-bit": lambda: images.png(images.deep(picture)),
        "palette": lambda: images.png(picture, palette=True),
        "grey": lambda: images.png(images.grey(picture)),
    }[kind]()
    body = by_hand.with_chunks(drawn, by_hand.chunk(b"gAMA", struct.pack(">I", gamma)))
    assert middle(made(body)) == pytest.approx([shown] * 3, abs=2)


@pytest.mark.parametrize("named", [by_hand.chunk(b"sRGB", b"\0"), by_hand.chunk(b"cICP", b"\x01\x0d\0\x01")])
@pytest.mark.parametrize("gamma", [0, 45_455, 46_000, 100_000])
def test_a_png_that_names_its_colours_has_no_gamma(gamma: int, named: bytes) -> None:
    """sRGB and cICP go before gAMA, wherever they stand; a gamma of sRGB's own, or 0, changes nothing."""
    before = by_hand.chunk(b"gAMA", struct.pack(">I", gamma))
    for chunks in [(before, named), (named, before), *([(before,)] if gamma < 50_000 else [])]:
        body = by_hand.with_chunks(images.png(images.solid((91, 91, 91)), keep="none"), *chunks)
        assert middle(made(body)) == pytest.approx([91] * 3, abs=2)


def in_two_chunks(body: bytes) -> list[tuple[int, bytes]]:
    """A JPEG's segments, its profile parted in two chunks."""
    parts: list[tuple[int, bytes]] = []
    for marker, content in images.segments(body):
        if marker == 0xE2 and content.startswith(b"ICC_PROFILE\0"):
            profile = content[14:]
            half = len(profile) // 2
            parts += [
                (0xE2, b"ICC_PROFILE\0\1\2" + profile[:half]),
                (0xE2, b"ICC_PROFILE\0\2\2" + profile[half:]),
            ]
        else:
            parts.append((marker, content))
    return parts


def joined(body: bytes, parts: list[tuple[int, bytes]]) -> bytes:
    return body[:2] + b"".join(images.segment(*part) for part in parts) + images.scan(body)


def test_half_a_profile_is_none() -> None:
    """A JPEG that lost one chunk of its profile is shown as without any; with both, the profile is obeyed."""
    body = images.jpeg(images.with_profile(images.solid((60, 150, 90)), "p3"))
    parts = in_two_chunks(body)
    chunks = [part for part in parts if part[0] == 0xE2]
    assert len(chunks) == 2
    obeyed, bare = middle(made(body)), middle(made(images.without(body, 0xE2)))
    assert np.abs(obeyed - bare).max() > 5
    assert middle(made(joined(body, parts))) == pytest.approx(obeyed, abs=1)
    for lost in chunks:
        left = [part for part in parts if part != lost]
        assert middle(made(joined(body, left))) == pytest.approx(bare, abs=1)
        twice = [part if part != lost else next(each for each in chunks if each != lost) for part in parts]
        assert middle(made(joined(body, twice))) == pytest.approx(bare, abs=1)


def test_a_cut_profile_is_none() -> None:
    """A profile that says it is longer than it is, is none, in whatever file."""
    library = vips.library()
    picture = images.with_profile(images.solid((60, 150, 90)), "p3").copy()
    profile = picture.get("icc-profile-data")
    longer = struct.pack(">I", len(profile) + 40) + profile[4:]
    picture.set_type(library.GValue.blob_type, "icc-profile-data", longer)
    chunk = by_hand.chunk(b"iCCP", b"x\0\0" + zlib.compress(longer))
    drawn = by_hand.with_chunks(images.png(images.solid((60, 150, 90))), chunk)
    for body in (images.webp(picture), images.tiff(picture), drawn):
        assert middle(made(body)) == pytest.approx([60, 150, 90], abs=4)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "packbits"])
def test_a_tiff_in_ycbcr_is_not_shown_in_false_colours(compression: str) -> None:
    """Refused with words: libvips would show luminance as red. What JPEG compresses is shown as it is."""
    red = PIL.Image.new("YCbCr", (300, 450), (76, 85, 255))
    kept = io.BytesIO()
    red.save(kept, "TIFF", compression=compression)
    for said in (why(kept.getvalue()), why_not_imported(kept.getvalue())):
        assert said == (
            "header: a TIFF in YCbCr without JPEG compression, which is not supported; save it in RGB"
        )
    shown = images.tiff(images.solid(images.RED), compression="jpeg", Q=95)
    assert middle(made(shown)) == pytest.approx(images.RED, abs=6)


# --- what else browsers show ------------------------------------------------------------------------


def placed(screen: tuple[int, int], left: int, top: int) -> bytes:
    """A red GIF of 60x90 px at a place of a larger canvas."""
    body = bytearray(images.gif(images.solid(images.RED, 60, 90)))
    body[6:10] = struct.pack("<HH", *screen)
    at = 13 + (3 << (body[10] % 8 + 1) if body[10] & 0x80 else 0)
    while body[at] == 0x21:
        at += 2
        while body[at]:
            at += 1 + body[at]
        at += 1
    body[at + 1 : at + 5] = struct.pack("<HH", left, top)
    return bytes(body)


@pytest.mark.parametrize(
    ("screen", "left", "top"),
    [((120, 180), 30, 40), ((120, 90), 0, 0), ((60, 180), 0, 90), ((60, 90), 40, 50)],
)
def test_a_gif_lies_on_white(screen: tuple[int, int], left: int, top: int) -> None:
    """Where the first picture does not cover its canvas there is white, as in browsers, never black."""
    shown = images.decoded(made(placed(screen, left, top), "large"))
    height, width = shown.shape[:2]
    assert shown[top + 45, left + 30] == pytest.approx(images.RED, abs=6)
    corner = shown[height - 4 if top == 0 else 4, width - 4 if left == 0 and screen[0] > 60 else 4]
    assert corner == pytest.approx([255] * 3, abs=4)


@given(st.binary(max_size=80))
def test_the_gif_reader_never_raises(tail: bytes) -> None:
    """Whatever follows the signature, there is an answer."""
    assert gif.first_frame(b"GIF89a" + tail) is None or len(tail) >= 16


@pytest.mark.parametrize("more", [2, 8, 500, 2**31])
@pytest.mark.parametrize("kind", ["webp", "webp-lossless", "webp-alpha", "webp-metadata", "webp-animated"])
def test_a_webp_that_promises_more_bytes_is_shown(kind: str, more: int) -> None:
    """Browsers show a WebP whose header names too great a length; one that is cut stays refused."""
    body = images.drawn(kind)
    length = int.from_bytes(body[4:8], "little") + more
    wrong = body[:4] + length.to_bytes(4, "little") + body[8:]
    assert made(wrong) == made(body)
    assert why(wrong[: len(wrong) * 9 // 10]).startswith(("header", "decode"))


@pytest.mark.parametrize(("gamma", "shown"), [(4_000_000_000, 100), (2**31, 100), (2**31 - 1, 255), (1, 0)])
def test_an_impossible_gamma_is_none_and_an_extreme_one_is_obeyed(gamma: int, shown: int) -> None:
    """As browsers have it: a number of more than 31 bits is invalid, the largest valid one gives white."""
    drawn = images.png(images.solid((100, 100, 100)))
    body = by_hand.with_chunks(drawn, by_hand.chunk(b"gAMA", struct.pack(">I", gamma)))
    assert middle(made(body)) == pytest.approx([shown] * 3, abs=4)


# --- reasons in words -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!DOCTYPE html><title>404</title>", "an HTML page"),
        (b"\n\n  <html><body>", "an HTML page"),
        (b"\xef\xbb\xbf<!-- moved -->\n<HTML>", "an HTML page"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "x">', "an HTML page"),
        (b'<?xml version="1.0"?><svg xmlns="x"/>', "an SVG drawing"),
        (b"<Error><Code>AccessDenied</Code></Error>", "an XML document"),
        (b'{"error": "not found"}', "a JSON document"),
        (b"Not Found", "a text"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"\xff\n\xba\x12\0\0", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"BM" + bytes(60), "BMP"),
        (b"\x1f\x8b\x08\0", "a file compressed with gzip"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"II+\0\x08\0\0\0", "a BigTIFF"),
        (bytes(60), "a file of zeros"),
        (b"\xff\xd8\0\0\0\0\xff\xdb\0\x43", "an unknown kind of file"),  # browsers show it neither
        (b"\x01\x02\x03\x04" * 9, "an unknown kind of file"),
    ],
)
def test_a_refusal_names_what_the_file_is(body: bytes, words: str) -> None:
    """Both ways in say in words what a file is, and what is supported."""
    for said in (why(body), why_not_imported(body)):
        assert said.startswith(f"type: {words}")
        assert said.endswith(" is not supported; JPEG, PNG, WebP, GIF, TIFF and AVIF are")
        assert "b'" not in said
        assert "\\x" not in said


@given(st.binary(max_size=600))
def test_any_bytes_are_described(head: bytes) -> None:
    """There are words for everything."""
    assert file_kinds.described(head)


@pytest.mark.parametrize(
    "brands", [b"heic\0\0\0\0mif1heic", b"mif1\0\0\0\0mif1heic", b"msf1\0\0\0\0hevcmsf1"]
)
def test_a_phones_picture_that_is_cut_off_is_named(brands: bytes) -> None:
    """A HEIC of which little is there is called HEIC, not a file without a box."""
    head = (8 + len(brands)).to_bytes(4) + b"ftyp" + brands
    assert why_not_imported(head + bytes(40)) == "codec: HEIC with HEVC: this libvips has no decoder for it"
