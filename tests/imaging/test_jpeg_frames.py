"""Every kind of JPEG frame is rendered or refused, and none damages memory."""

import struct
import subprocess
import sys
from functools import cache
from pathlib import Path

import images
import pytest
from decoders import look
from hypothesis import example, given
from hypothesis import strategies as st

from coverproxy.config import Config, Import
from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.imaging import jpeg
from coverproxy.imaging.render import render
from coverproxy.originals.examine import OriginalRefused

CONFIG = Config()
REFUSED = [0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF]

_CHILD = """
import sys
from pathlib import Path
from coverproxy.config import Config
from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Format
from coverproxy.imaging.render import render
config = Config()
said = []
for name in sys.argv[1:]:
    for size in config.usual_sizes.values():
        for _ in range(5):
            try:
                render(Path(name).read_bytes(), size, Format.JPEG, config.limits)
                outcome = "made"
            except UnusableOriginal as exc:
                outcome = exc.reason
        said.append(outcome)
print(" ".join(said))
"""
"""Renders each file in all sizes, some times over: what a heap has suffered shows later."""


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def lossless(width: int, height: int, components: int = 1, marker: int = 0xC3, precision: int = 8) -> bytes:
    """A lossless JPEG (T.81 annex H): predictor 1, every difference behind a code of 5 bits."""
    data = _differences(width, height, components, precision)
    frame = struct.pack(">BHHB", precision, height, width, components)
    frame += b"".join(bytes([each, 0x11, 0]) for each in range(1, components + 1))
    scan = bytes([components]) + b"".join(bytes([each, 0]) for each in range(1, components + 1)) + b"\x01\0\0"
    table = bytes([0, 0, 0, 0, 0, 17, *[0] * 11, *range(17)])
    head = segment(marker, frame) + segment(0xC4, table) + segment(0xDA, scan)
    return b"\xff\xd8" + head + data + b"\xff\xd9"


@cache
def _differences(width: int, height: int, components: int, precision: int) -> bytes:
    bits: list[str] = []
    for row in range(height):
        for column in range(width):
            value = (row // 2 * 5 + column * 3) % 256
            before = (value - 3) % 256 if column else ((row - 1) // 2 * 5) % 256
            difference = value - (before if row or column else 1 << (precision - 1))
            length = abs(difference).bit_length()
            coded = difference if difference > 0 else difference + (1 << length) - 1
            bits += [f"{length:05b}" + (f"{coded:0{length}b}" if length else "")] * components
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8).replace(b"\xff", b"\xff\x00")


def with_frame(body: bytes, marker: int, precision: int = 8) -> bytes:
    """The JPEG, its frame declared to be another."""
    at = min(found for sof in (b"\xff\xc0\x00", b"\xff\xc2\x00") if (found := body.find(sof)) > 0)
    return body[: at + 1] + bytes([marker]) + body[at + 2 : at + 4] + bytes([precision]) + body[at + 5 :]


def outcomes(folder: Path, bodies: list[bytes]) -> list[str]:
    """What the small, medium and large of each came to, in a process of its own."""
    files = [folder / f"{number}.jpg" for number in range(len(bodies))]
    for file, body in zip(files, bodies, strict=True):
        file.write_bytes(body)
    child = subprocess.run([sys.executable, "-c", _CHILD, *map(str, files)], capture_output=True, text=True)
    assert child.returncode == 0, f"the process died: {child.returncode} {child.stderr[-300:]}"
    return child.stdout.split()


def test_a_lossless_jpeg_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    """Its own pixels went over the end of a smaller picture's memory: no size of it is tried now."""
    bodies = [
        lossless(*sides, components) for sides in ((75, 600), (200, 900), (400, 600)) for components in (1, 3)
    ]
    assert outcomes(tmp_path, bodies) == ["header"] * 3 * len(bodies)


def every_frame(kind: str, precision: int) -> list[bytes]:
    """A picture under each of the frames SOF0 to SOF15, and a lossless one under each that is refused."""
    bodies = [with_frame(images.drawn(kind), 0xC0 + number, precision) for number in range(16)]
    return bodies + [lossless(75, 600, marker=marker, precision=precision) for marker in REFUSED]


@pytest.mark.parametrize("precision", [8, 12])
def test_no_kind_of_frame_kills_the_process(tmp_path: Path, precision: int) -> None:
    """SOF0 to SOF15, of 8 or 12 bits, in each size: what is not read is refused, the rest may be damaged."""
    kinds = [
        every_frame(kind, precision) for kind in ("jpeg-grey", "jpeg-444", "jpeg-420", "jpeg-progressive")
    ]
    said = outcomes(tmp_path, [body for bodies in kinds for body in bodies])
    count = 3 * (16 + len(REFUSED))
    assert len(said) == len(kinds) * count
    for at in range(0, len(said), count):
        are_refused_or_harmless(said[at : at + count], precision)


def are_refused_or_harmless(came: list[str], precision: int) -> None:
    """Assert it of what the frames of one kind came to."""
    assert set(came) <= {"made", "header", "decode"}
    for number in range(16):
        if 0xC0 + number in REFUSED or precision != 8:
            assert set(came[3 * number : 3 * number + 3]) == {"header"}
    assert set(came[48:]) == {"header"}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (lossless(75, 600), "lossless JPEG"),
        (lossless(75, 600, marker=0xCB), "lossless JPEG"),
        (with_frame(images.drawn("jpeg-420"), 0xC5), "SOF5"),
        (with_frame(images.drawn("jpeg-420"), 0xC1, 12), "12 bits per channel"),
    ],
)
def test_both_ways_in_say_why(body: bytes, why: str) -> None:
    """A librarian reads what is wrong with the file, on import and where it is an original already."""
    with pytest.raises(OriginalRefused, match=why) as refused:
        look(body, Identifier(ISBN, "9780141439518"), CONFIG.limits, Import())
    assert refused.value.reason == "header"
    with pytest.raises(UnusableOriginal, match=why):
        render(body, CONFIG.sizes["small"], Format.JPEG, CONFIG.limits)


@pytest.mark.parametrize("junk", [b"\0\0", b"\xff\xff", b"\0\xff\0\x12", b"\xff\xd0", b"\xff\x01"])
def test_junk_does_not_hide_a_frame(junk: bytes) -> None:
    """libjpeg passes over junk to the frame behind it; so does the reader, and such a file is not plain."""
    hidden = lossless(75, 600)
    assert jpeg.refusal(hidden[:2] + junk + hidden[2:]) == jpeg.refusal(hidden)
    usual = images.drawn("jpeg-420")
    mixed = usual[:2] + junk + usual[2:]
    assert jpeg.refusal(mixed) is None
    assert jpeg.plain(usual) is not None
    assert jpeg.plain(mixed) is None


def test_only_one_usual_frame_is_plain() -> None:
    """Two frames, none, and an arithmetic one are not decoded by libjpeg-turbo itself."""
    usual = images.drawn("jpeg-420")
    assert jpeg.plain(usual) is not None
    sof = segment(0xC0, struct.pack(">BHHB", 8, 360, 240, 1) + b"\x01\x11\x00")
    assert jpeg.frame(usual[:2] + sof + usual[2:]) is None
    assert jpeg.frame(b"\xff\xd8" + segment(0xDA, b"\0" * 6)) is None
    for body in (usual[:2] + sof + usual[2:], with_frame(usual, 0xC9), usual[:40]):
        assert jpeg.plain(body) is None


@pytest.mark.parametrize("piece", [b"\xff", b"\xff\x00", b"\xff\xd0", b"\xff\xe0\0\x02", b"\xff\xe0\0\0"])
def test_a_header_of_many_pieces_is_not_read_for_ever(piece: bytes) -> None:
    """Five thousand segments and more before the picture are refused; fill bytes cost no step each."""
    body = b"\xff\xd8" + piece * 5000 + lossless(20, 20)[2:]
    assert jpeg.refusal(body) is not None


SEEDS = [
    images.drawn("jpeg-420")[:2000],
    lossless(20, 20),
    b"\xff\xd8\xff",
    b"\xff\xd8\xff\xc0\0\x02\xff\xda\0\x02",
]


@given(st.binary(max_size=400).flatmap(lambda tail: st.sampled_from([tail, b"\xff\xd8" + tail])))
@example(b"")
def test_the_reader_never_raises(body: bytes) -> None:
    """Any bytes at all have a frame or none."""
    seen = jpeg.frame(body)
    assert seen is None or seen.components > 0
    assert (jpeg.refusal(body) is None) <= (seen is not None)
    assert jpeg.plain(body) is None or seen is not None


@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.integers(0, 1999), st.integers(0, 255)), max_size=8),
    end=st.integers(0, 2000),
)
def test_nor_on_a_changed_jpeg(seed: bytes, changes: list[tuple[int, int]], end: int) -> None:
    """A JPEG with some bytes changed and its end cut has a frame or none."""
    body = bytearray(seed)
    for at, value in changes:
        body[at % len(body)] = value
    seen = jpeg.frame(bytes(body[:end]))
    assert seen is None or seen.components > 0


@pytest.mark.parametrize("junk", [b"\xff", b"\xff\x00", b"x"])
def test_junk_before_the_picture_is_skipped_within_bounds(junk: bytes) -> None:
    """Kilobytes of fill or junk between segments change nothing; megabytes are refused, not read through."""
    body = images.jpeg(images.cover(), keep="none")
    at, later = body.index(b"\xff\xc0"), body.index(b"\xff\xc4")
    little = body[:at] + junk * 4000 + body[at:]
    assert render(little, CONFIG.sizes["small"], Format.JPEG, CONFIG.limits).body

    half = junk * (700_000 // len(junk))
    for much in (body[:at] + half * 2 + body[at:], body[:at] + half + body[at:later] + half + body[later:]):
        with pytest.raises(UnusableOriginal) as caught:
            render(much, CONFIG.sizes["small"], Format.JPEG, CONFIG.limits)
        assert caught.value.reason == "header"
