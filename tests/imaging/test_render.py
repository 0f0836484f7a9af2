"""What rendering promises: every kind of original becomes the same upright picture, and no bad one passes."""

import hashlib
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import images
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from samples import ODD

from coverproxy.config import Config, Jpeg, Limits, Size
from coverproxy.domain import formats
from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Format
from coverproxy.imaging.encode import MIN_JPEG_BYTES
from coverproxy.imaging.render import Rendered, render, verify
from coverproxy.imaging.vips import library

CONFIG = Config()
SIZES = CONFIG.sizes
PLAIN = images.cover().numpy().astype(float).mean(axis=(0, 1))
GREY = images.grey(images.cover()).avg()

NO_PICTURES = {
    "empty": b"",
    "text": b"This is no picture, whatever its name says.",
    "html": b"<!DOCTYPE html><title>404 Not Found</title>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="300" height="450"><rect/></svg>',
    "svg-xml": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "bmp": b"BM" + bytes(60),
    "ico": b"\x00\x00\x01\x00\x01\x00" + bytes(60),
    "psd": b"8BPS\x00\x01" + bytes(60),
    "vips": b"\x08\xf2\xa6\xb6" + bytes(60),
    "vips-swapped": b"\xb6\xa6\xf2\x08" + bytes(60),
    "matlab": b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(90),
    "nifti": b"\x5c\x01\x00\x00" + bytes(340) + b"n+1\x00",
    "fits": b"SIMPLE  =                    T" + b" " * 50,
    "radiance": b"#?RADIANCE\n",
    "ppm": b"P6 2 2 255\n" + bytes(12),
    "csv": b"1,2,3\n4,5,6\n",
    "jxl": b"\x00\x00\x00\x0cJXL \r\n\x87\n",
    "jpeg-2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n",
    "mp4": b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00",
    "wave": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "big-tiff": b"II+\x00\x08\x00\x00\x00" + bytes(60),
    "imagemagick": b"push graphic-context\nviewbox 0 0 640 480\n",
}


def made(body: bytes, size: str = "small", form: Format = Format.JPEG) -> Rendered:
    return render(body, SIZES[size].quick, form, CONFIG.limits)


def refusal(body: bytes, size: str = "small", limits: Limits = CONFIG.limits) -> str:
    with pytest.raises(UnusableOriginal) as refused:
        render(body, SIZES[size], Format.JPEG, limits)
    return refused.value.reason


@pytest.mark.parametrize("kind", images.KINDS)
def test_every_kind_shows_its_picture(kind: str) -> None:
    """Whatever the file is (CMYK, palette, 16-bit, first of many pages, ...), the cover has its colours."""
    rendered = made(images.drawn(kind))
    assert rendered.size == (100, 150)
    assert rendered.original == (images.WIDTH, images.HEIGHT)
    assert images.decoded(rendered.body).shape == (150, 100, 3)
    assert images.mean(rendered.body) == pytest.approx(PLAIN, abs=3)


@pytest.mark.parametrize("kind", images.GREY_KINDS)
def test_grey_stays_grey(kind: str) -> None:
    """A grey original gives a picture that every viewer shows in the same shades of grey."""
    pixels = images.decoded(made(images.drawn(kind)).body)
    assert pixels.mean() == pytest.approx(GREY, abs=3)
    assert np.ptp(pixels, axis=2).max() <= 3


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("size", SIZES)
def test_every_format_comes_in_every_size(form: Format, size: str) -> None:
    """JPEG, WebP and AVIF decode to the pixels that are stated, in the format that was asked for."""
    rendered = render(images.jpeg(images.cover(1200, 1800)), SIZES[size], form, CONFIG.limits)
    assert rendered.size == (SIZES[size].width, SIZES[size].height)
    assert images.decoded(rendered.body).shape[:2] == rendered.size[::-1]
    assert images.mean(rendered.body) == pytest.approx(images.cover(1200, 1800).numpy().mean((0, 1)), abs=4)
    assert formats.dimensions(rendered.body, form) == rendered.size
    assert formats.is_whole(rendered.body, form)
    assert not formats.is_whole(rendered.body[:-1], form)
    loader = formats.sniff(rendered.body[:32])
    assert loader
    assert loader.value == {"jpg": "jpeg", "webp": "webp", "avif": "heif"}[form.value]


@pytest.mark.parametrize("encode", [images.jpeg, images.webp, images.tiff, images.png])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_obeyed(orientation: int, encode: Callable[..., bytes]) -> None:
    """However a camera was held, the picture stands upright, and is not turned again by the viewer."""
    rendered = made(encode(images.turned(images.corners(), orientation)), "medium")
    assert (rendered.size, rendered.original) == ((200, 300), (images.WIDTH, images.HEIGHT))
    pixels = images.decoded(rendered.body)
    seen = [pixels[y, x] for y in (10, -10) for x in (10, -10)]
    assert np.array(seen) == pytest.approx(np.array(images.CORNERS, float), abs=6)
    assert images.metadata(rendered.body) == set()


@pytest.mark.parametrize("orientation", [0, 9, 90])
def test_an_orientation_that_does_not_exist_is_none(orientation: int) -> None:
    """EXIF knows 1 to 8; any other number leaves picture and stated sides as they are."""
    rendered = made(images.jpeg(images.with_orientation(images.corners(), orientation)), "medium")
    assert rendered.original == (images.WIDTH, images.HEIGHT)
    assert images.decoded(rendered.body)[10, 10] == pytest.approx(np.array(images.RED, float), abs=6)


def srgb_of_p3(colour: tuple[int, ...]) -> list[float]:
    """Display P3 to sRGB by the two spaces' own definitions (SMPTE EG 432-1, IEC 61966-2-1)."""
    linear = [
        value / 255 / 12.92 if value < 11 else ((value / 255 + 0.055) / 1.055) ** 2.4 for value in colour
    ]
    rows = ((1.2249, -0.2247, 0), (-0.0420, 1.0419, 0), (-0.0197, -0.0786, 1.0979))
    mixed = [
        min(1.0, max(0.0, sum(factor * value for factor, value in zip(row, linear, strict=True))))
        for row in rows
    ]
    return [255 * (12.92 * v if v < 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055) for v in mixed]


@pytest.mark.parametrize("encode", [images.jpeg, images.png, images.webp, images.tiff])
@pytest.mark.parametrize("colour", [(200, 80, 60), (60, 150, 90), (255, 0, 0)])
def test_an_icc_profile_is_obeyed(colour: tuple[int, ...], encode: Callable[..., bytes]) -> None:
    """A colour in Display P3 becomes the same colour in sRGB, and the profile is gone."""
    rendered = made(encode(images.with_profile(images.solid(colour), "p3")))
    assert images.mean(rendered.body) == pytest.approx(srgb_of_p3(colour), abs=4)
    assert images.mean(made(encode(images.solid(colour))).body) == pytest.approx(colour, abs=3)
    assert images.metadata(rendered.body) == set()


def test_a_broken_icc_profile_does_not_cost_the_cover() -> None:
    """A profile that cannot be read is passed over: the picture is shown as if it had none."""
    vips = library()
    odd = images.cover().copy()
    odd.set_type(vips.GValue.blob_type, "icc-profile-data", b"this is no profile" * 20)
    assert images.mean(made(images.jpeg(odd)).body) == pytest.approx(PLAIN, abs=3)


def test_a_profile_for_other_colours_does_not_cost_the_cover() -> None:
    """A CMYK profile in an RGB picture (seen in real files) is passed over."""
    body = images.jpeg(images.with_profile(images.cover(), "cmyk"))
    assert images.mean(made(body).body) == pytest.approx(PLAIN, abs=3)


@pytest.mark.parametrize("encode", [images.png, images.webp, images.tiff, images.avif, images.gif])
def test_alpha_lies_on_white(encode: Callable[..., bytes]) -> None:
    """What is transparent shows white paper, and what is not keeps its colour."""
    pixels = images.decoded(made(encode(images.fading(images.solid(images.RED, 200, 300))), "medium").body)
    assert pixels[40:100].mean(axis=(0, 1)) == pytest.approx(np.array(images.RED, float), abs=4)
    assert pixels[200:260].min() >= 253


def test_grey_with_alpha_lies_on_white() -> None:
    """The same for a grey picture with an alpha channel."""
    body = images.png(images.fading(images.grey(images.solid(images.BLUE, 200, 300))))
    pixels = images.decoded(made(body, "medium").body)
    assert np.ptp(pixels[40:100], axis=2).max() <= 3
    assert pixels[40:100].mean() < 120
    assert pixels[200:260].min() >= 253


def test_metadata_is_stripped() -> None:
    """Neither EXIF (nor a GPS position in it), XMP, ICC nor a comment reaches a derivative."""
    body = images.jpeg(images.with_metadata(images.cover()))
    assert images.GPS in body
    assert images.XMP in body
    assert {"exif-data", "xmp-data", "icc-profile-data"} <= images.metadata(body)
    for form in Format:
        rendered = made(body, "large", form).body
        assert images.metadata(rendered) == set()
        assert [
            word for word in (images.GPS, b"xmpmeta", b"Exif", b"EXIF", b"ICCP") if word in rendered
        ] == []
    markers = {marker for marker, _ in images.segments(made(body, "large").body)}
    assert markers & {0xFE, *range(0xE1, 0xF0)} == set()


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(10, 700),
    height=st.integers(10, 700),
    size=st.sampled_from([*SIZES.values(), Size(width=120, height=40), Size(width=33, height=500)]),
)
def test_a_cover_fits_its_box_and_is_never_enlarged(width: int, height: int, size: Size) -> None:
    """The picture is the largest of its shape that fits into both box and original, to the pixel."""
    scale = min(1.0, size.width / width, size.height / height)
    exact = (width * scale, height * scale)
    assume(min(exact) > 10.5)  # thinner ones have a test of their own
    rendered = render(
        images.jpeg(images.solid((90, 90, 90), width, height)), size, Format.JPEG, CONFIG.limits
    )
    assert rendered.size[0] <= min(width, size.width)
    assert rendered.size[1] <= min(height, size.height)
    assert max(abs(got - wanted) for got, wanted in zip(rendered.size, exact, strict=True)) <= 1
    if scale == 1:
        assert rendered.size == (width, height)


@settings(max_examples=40, deadline=None)
@given(width=st.integers(200, 3000), shape=st.floats(0.6, 1.9), size=st.sampled_from(list(SIZES)))
def test_the_decoder_never_shrinks_too_far(width: int, shape: float, size: str) -> None:
    """However large the JPEG, its cover touches two sides of the box: decoding small costs no pixel."""
    body = images.jpeg(images.solid((90, 90, 90), width, int(width * shape)), Q=50)
    box, got = SIZES[size], made(body, size).size
    whole = min(box.width, width) == got[0] or min(box.height, int(width * shape)) == got[1]
    assert whole


def test_a_cover_of_ten_pixels_is_the_thinnest() -> None:
    """Clients take a side under 10 px for "no cover", so a picture that would get one is refused."""
    assert min(made(images.jpeg(images.solid(images.RED, 10, 15))).size) == 10
    assert refusal(images.jpeg(images.solid(images.RED, 9, 15))) == "thin"
    assert refusal(images.jpeg(images.solid(images.RED, 160, 3000))) == "thin"
    assert min(made(images.jpeg(images.solid(images.RED, 220, 3000))).size) >= 10


@pytest.mark.parametrize("colour", [images.RED, (255, 255, 255)])
def test_a_jpeg_is_padded_to_what_clients_expect(colour: tuple[int, ...]) -> None:
    """A cover of few bytes gets one comment segment, so that it has 2,048, and decodes as before."""
    rendered = made(images.png(images.solid(colour, 20, 30)))
    assert MIN_JPEG_BYTES <= len(rendered.body) <= MIN_JPEG_BYTES + 4
    assert [marker for marker, _ in images.segments(rendered.body)].count(0xFE) == 1
    assert images.mean(rendered.body) == pytest.approx(colour, abs=3)
    assert formats.dimensions(rendered.body, Format.JPEG) == rendered.size == (20, 30)


@settings(max_examples=80, deadline=None)
@given(side=st.integers(10, 150), grain=st.integers(0, 60), quality=st.integers(1, 100))
def test_no_jpeg_is_shorter_than_clients_expect(side: int, grain: int, quality: int) -> None:
    """Whatever a picture compresses to, it has 2,048 bytes at least, and at most one comment."""
    pixels = np.random.default_rng(side).integers(100, 101 + grain, (side, side, 3), dtype=np.uint8)
    size = Size(width=200, height=300, jpeg=Jpeg(quality=quality))
    body = render(images.png(images.image(pixels)), size, Format.JPEG, CONFIG.limits).body
    comments = [marker for marker, _ in images.segments(body)].count(0xFE)
    assert len(body) >= MIN_JPEG_BYTES
    assert comments == 0 or (comments == 1 and len(body) <= MIN_JPEG_BYTES + 4)
    assert images.decoded(body).shape == (side, side, 3)


@pytest.mark.parametrize("size", ["small", "medium"])
def test_small_covers_keep_all_of_their_colour(size: str) -> None:
    """Small JPEGs have a colour sample for each pixel: subsampling is what blurs red letters."""
    assert images.sampling(made(images.drawn("jpeg-420"), size).body) == [0x11, 0x11, 0x11]


def test_a_size_can_ask_for_subsampling() -> None:
    """`chroma = "4:2:0"` is obeyed."""
    size = Size(width=100, height=150, jpeg=Jpeg(chroma="4:2:0"))
    body = render(images.drawn("jpeg-444"), size, Format.JPEG, CONFIG.limits).body
    assert images.sampling(body) == [0x22, 0x11, 0x11]


DETERMINISTIC = ("jpeg-420", "jpeg-cmyk-profile", "png-alpha", "gif-animated")


def digests() -> list[str]:
    """The digests of some derivatives; run by another process too."""
    bodies = (made(images.drawn(kind), "medium", form).body for kind in DETERMINISTIC for form in Format)
    return [hashlib.sha256(body).hexdigest() for body in bodies]


def test_the_same_original_gives_the_same_bytes() -> None:
    """Rendering again gives the same file, in this process and in another one: nodes agree on ETags."""
    first = digests()
    assert digests() == first
    other = subprocess.run(
        [sys.executable, "-c", "import test_render; print(*test_render.digests())"],
        cwd=Path(__file__).parent, check=True, text=True, capture_output=True, timeout=100,
        env={"PYTHONPATH": f"{Path(__file__).parents[2]}:{Path(__file__).parents[1]}"},
    )  # fmt: skip
    assert other.stdout.split() == first


@pytest.mark.parametrize("kind", NO_PICTURES)
def test_what_is_no_known_picture_is_refused_by_its_first_bytes(kind: str) -> None:
    """Only allowed types reach a decoder: SVG, PDF, BMP, .v, .mat and the like are told by magic bytes."""
    assert refusal(NO_PICTURES[kind]) == "type"


def test_what_libvips_could_write_itself_is_refused(tmp_path: Path) -> None:
    """A real .v image, which libvips would open if asked to guess, never gets that far."""
    path = tmp_path / "cover.v"
    # in a process of its own: in this one libvips' untrusted operations are blocked
    write = "import pyvips, sys; pyvips.Image.black(200, 300).vipssave(sys.argv[1])"
    subprocess.run([sys.executable, "-c", write, str(path)], check=True)

    assert refusal(path.read_bytes()) == "type"


@pytest.mark.parametrize("form", ["jpeg", "png", "gif", "webp", "tiff", "avif"])
@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.8, 0.95])
def test_a_cut_file_is_refused(form: str, share: float) -> None:
    """A file that ends early is no cover, however little is missing: never a picture with a grey foot."""
    whole = {**images.KINDS, "jpeg": images.KINDS["jpeg-444"], "png": images.KINDS["png-rgb"]}[form]()
    assert refusal(whole[: int(len(whole) * share)]) in ("header", "decode")


@pytest.mark.parametrize("kind", ["jpeg-progressive", "jpeg-restarts", "jpeg-cmyk-bare", "jpeg-grey"])
@pytest.mark.parametrize("size", SIZES)
def test_a_cut_jpeg_is_refused_however_it_is_coded(kind: str, size: str) -> None:
    """Progressive, with restart markers, CMYK or grey, decoded small or whole: half a JPEG is none."""
    whole = images.drawn(kind)
    half = len(whole) - len(images.scan(whole)) // 2
    assert refusal(whole[:half], size) in ("header", "decode")
    assert refusal(whole[:half] + b"\xff\xd9", size) in ("header", "decode")


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0.02, 0.97), size=st.sampled_from(list(SIZES)))
def test_a_corrupt_jpeg_is_refused(share: float, size: str) -> None:
    """Where libjpeg warns of corrupt data and would paint grey, there is no cover."""
    assert refusal(images.broken(images.drawn("jpeg-444"), share), size) == "decode"


@pytest.mark.parametrize("kind", ["png-rgb", "png-interlaced", "png-16-bit", "png-alpha"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_corrupt_png_is_refused(kind: str, share: float) -> None:
    """A flipped bit in a PNG's pixels fails its checksum."""
    body = images.drawn(kind)
    assert refusal(images.flipped(body, int(len(body) * share))) == "decode"


@pytest.mark.parametrize(
    ("kind", "share"), [("png-rgb", 0.5), ("gif", 0.5), ("webp-lossless", 0.2), ("avif", 0.5), ("avif", 0.8)]
)
def test_noise_is_refused_where_the_coding_can_tell(kind: str, share: float) -> None:
    """Decoders that notice nonsense in their stream are believed."""
    body, noise = images.drawn(kind), hashlib.shake_128(b"noise").digest(4000)
    middle = int(len(body) * share)
    assert refusal(body[:middle] + noise + body[middle + len(noise) :]) in ("header", "decode")


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["jpeg-420", "jpeg-progressive", "png-palette", "gif-animated", "webp", "avif"]),
    places=st.lists(st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=40)), max_size=4),
    end=st.floats(0.01, 1),
)
def test_damage_is_refused_or_survived(kind: str, places: list[tuple[float, bytes]], end: float) -> None:
    """Whatever happened to a file, it becomes a whole derivative or UnusableOriginal, and nothing else."""
    damaged = bytearray(images.drawn(kind))
    for share, noise in places:
        at = int(len(damaged) * share)
        damaged[at : at + len(noise)] = noise
    body = bytes(damaged[: math.ceil(len(damaged) * end)])
    rendered, reason = None, ""
    try:
        rendered = render(body, SIZES["small"], Format.JPEG, Limits(max_pixels=1_000_000))
    except UnusableOriginal as exc:
        reason = exc.reason
    assert rendered or reason in ("type", "header", "limit", "decode", "thin")
    if rendered:
        assert formats.dimensions(rendered.body, Format.JPEG) == rendered.size
        assert formats.is_whole(rendered.body, Format.JPEG)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("size", SIZES)
def test_a_harmless_warning_costs_no_cover(odd: Callable[[bytes], bytes], size: str) -> None:
    """A whole JPEG that only bends the standard is rendered: a tenth of real covers do."""
    body = odd(images.jpeg(images.cover(), keep="none"))
    assert made(body, size).size == made(images.drawn("jpeg-444"), size).size
    assert images.decoded(made(body, size).body).std() > 20


@pytest.mark.parametrize("odd", ODD)
def test_a_harmless_warning_hides_no_damage(odd: Callable[[bytes], bytes]) -> None:
    """A JPEG that bends the standard and is corrupt as well is refused for being corrupt."""
    assert refusal(images.broken(odd(images.jpeg(images.cover(), keep="none")), 0.5)) == "decode"


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    """The header's size decides: a small file that claims gigapixels costs nothing."""
    assert refusal(images.png_saying(60_000, 60_000)) == "limit"
    assert refusal(
        images.jpeg(images.cover()), limits=Limits(max_pixels=images.WIDTH * images.HEIGHT - 1)
    ) == ("limit")
    exact = Limits(max_pixels=images.WIDTH * images.HEIGHT)
    assert render(images.drawn("jpeg-420"), SIZES["small"], Format.JPEG, exact).size == (100, 150)


def test_the_first_page_alone_counts_against_the_limit() -> None:
    """An animation of many frames is as large as one of them."""
    many = images.gif(images.pages(*(images.cover() for _ in range(8))))
    limits = Limits(max_pixels=images.WIDTH * images.HEIGHT)
    assert render(many, SIZES["small"], Format.JPEG, limits).original == (images.WIDTH, images.HEIGHT)


def verdicts(body: bytes) -> list[str]:
    """Why a file is refused when it is verified, and when it is rendered."""
    found = []
    for work in (
        lambda: verify(body, SIZES["large"], CONFIG.limits),
        lambda: render(body, SIZES["large"], Format.JPEG, CONFIG.limits),
    ):
        try:
            work()
            found.append("")
        except UnusableOriginal as exc:
            found.append(exc.reason)
    return found


@pytest.mark.parametrize("kind", [*images.KINDS, *images.GREY_KINDS])
def test_what_is_rendered_is_verified(kind: str) -> None:
    """Every kind of file that is rendered passes; of half of it, both say the same."""
    body = images.drawn(kind)
    assert verdicts(body) == ["", ""]
    verified, rendered = verdicts(body[: len(body) // 2])
    assert verified == rendered
    assert verified or kind in ("gif-animated", "tiff-cmyk")  # whose first half is a whole picture


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["jpeg-420", "jpeg-progressive", "png-palette", "gif", "webp", "tiff-tiled"]),
    places=st.lists(st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=40)), max_size=3),
    end=st.floats(0.5, 1),
)
def test_verifying_refuses_what_rendering_refuses(
    kind: str, places: list[tuple[float, bytes]], end: float
) -> None:
    """Whatever happened to a file, both come to the same verdict."""
    damaged = bytearray(images.drawn(kind))
    for share, noise in places:
        at = int(len(damaged) * share)
        damaged[at : at + len(noise)] = noise
    body = bytes(damaged[: math.ceil(len(damaged) * end)])
    verified, rendered = verdicts(body)
    assert verified == rendered


def test_what_is_thin_at_a_size_is_not_verified_for_it() -> None:
    """Too thin at the size that is named is refused; too thin at a smaller one is not."""
    with pytest.raises(UnusableOriginal, match="thin"):
        verify(images.jpeg(images.solid(images.RED, 9, 15)), SIZES["large"], CONFIG.limits)
    verify(images.jpeg(images.solid(images.RED, 100, 760)), SIZES["large"], CONFIG.limits)
