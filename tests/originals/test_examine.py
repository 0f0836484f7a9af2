"""What may become an original: limits, lists, and how a file's type is recognised."""

import hashlib
import os
import socket
import struct
import threading
from pathlib import Path
from typing import Any

import images
import pytest
from decoders import decoder
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.config import Import, Limits
from coverproxy.domain.decisions import SameBytes
from coverproxy.domain.formats import Loader
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.originals.examine import (
    Candidate,
    Examined,
    OriginalRefused,
    examine,
    same_bytes,
    still_refused,
)

NAME = "9780141439518"


def look(path: Path, isbn: str = NAME, rules: dict[str, Any] | None = None, **limits: Any) -> Examined:
    return examine(Candidate(isbn, path), Limits(**limits), Import(**rules or {}), lambda original: decoder())


def refusal(path: Path, isbn: str = NAME, rules: dict[str, Any] | None = None, **limits: Any) -> str:
    with pytest.raises(OriginalRefused) as refused:
        look(path, isbn, rules, **limits)
    assert refused.value.detail
    return refused.value.reason


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test's one file goes."""
    return tmp_path / f"{NAME}.jpg"


def test_a_cover_is_taken_as_it_is(file: Path) -> None:
    """An original states its digest, type, sides, length, and the file's own time."""
    body = images.drawn("jpeg-420")
    file.write_bytes(body)
    os.utime(file, (1_217_808_000, 1_217_808_000.9))
    examined = look(file)
    original = examined.original
    assert (examined.body, examined.found) == (body, file)
    assert original.identifier == Identifier(ISBN, NAME)
    assert original.digest == hashlib.sha256(body).digest()[:16]
    assert original.loader is Loader.JPEG
    assert (original.width, original.height, original.pixels) == (240, 360, 240 * 360)
    assert (original.bytes, original.date, original.source) == (len(body), 1_217_808_000, "")
    assert original.path is None
    assert original.fault is None


def test_a_given_date_and_source_are_kept(file: Path) -> None:
    """What a list says of a cover stands; date 0 is a date."""
    file.write_bytes(images.small_jpeg())
    candidate = Candidate(NAME, file, "publisher", 0)
    original = examine(candidate, Limits(), Import(), lambda original: decoder()).original
    assert (original.source, original.date) == ("publisher", 0)


def test_a_file_from_before_1970_is_dated_1970(file: Path) -> None:
    """A file time below zero would be no HTTP date."""
    file.write_bytes(images.small_jpeg())
    os.utime(file, (-5000, -5000))
    assert look(file).original.date == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sides_are_those_that_a_viewer_sees(file: Path, orientation: int) -> None:
    """EXIF orientation is obeyed before sides are stated and held against limits."""
    file.write_bytes(images.jpeg(images.turned(images.corners(), orientation)))
    original = look(file).original
    assert (original.width, original.height) == (images.WIDTH, images.HEIGHT)


@pytest.mark.parametrize(
    ("kind", "loader"),
    [
        ("jpeg-420", Loader.JPEG), ("jpeg-cmyk-bare", Loader.JPEG), ("png-rgb", Loader.PNG),
        ("gif", Loader.GIF), ("gif-animated", Loader.GIF), ("webp", Loader.WEBP),
        ("webp-animated", Loader.WEBP),
        ("tiff-pages", Loader.TIFF), ("avif", Loader.HEIF),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ending", [".jpg", ".png", ".txt", ""])
def test_content_says_what_a_file_is(tmp_path: Path, kind: str, loader: Loader, ending: str) -> None:
    """A PNG named .jpg is a PNG (real cover folders have many); an animation has one frame's sides."""
    path = tmp_path / (NAME + ending)
    path.write_bytes(images.drawn(kind))
    original = look(path).original
    assert (original.loader, original.width, original.height) == (loader, images.WIDTH, images.HEIGHT)


@pytest.mark.parametrize(
    "body",
    [b"<html>404 Not Found</html>", b"%PDF-1.7", b"<svg/>", b"BM" + bytes(60),
     b"\x08\xf2\xa6\xb6" + bytes(90),
     b"\xff", b"\xff\xd8", b"RIFF0000WAVE", b"\x00" * 40],
)  # fmt: skip
def test_what_is_no_picture_is_refused(file: Path, body: bytes) -> None:
    """A name ending in .jpg makes no picture of a text."""
    file.write_bytes(body)
    assert refusal(file) == "type"


@pytest.mark.parametrize("kind", ["jpeg-420", "png-rgb", "gif", "webp", "tiff", "avif"])
def test_a_file_without_a_whole_header_is_refused(file: Path, kind: str) -> None:
    """What begins like a picture, and ends before it says its size, is none."""
    file.write_bytes(images.drawn(kind)[:24])
    assert refusal(file) == "header"


def test_an_empty_file_is_refused(file: Path) -> None:
    """An interrupted download leaves these."""
    file.write_bytes(b"")
    assert refusal(file) == "bytes"


def test_the_limit_on_bytes_is_exact(file: Path) -> None:
    """A file of as many bytes as are allowed is taken, one more is not."""
    body = images.small_jpeg()
    file.write_bytes(body)
    assert look(file, max_bytes=len(body)).original.bytes == len(body)
    assert refusal(file, max_bytes=len(body) - 1) == "bytes"


def test_a_huge_file_is_refused_after_a_part_of_it(file: Path) -> None:
    """No more of a file is read than the limit allows: a terabyte costs as little as 32 MiB."""
    file.write_bytes(images.small_jpeg())
    os.truncate(file, 10**12)
    assert refusal(file) == "bytes"


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (60_000, 60_000, "pixels"), (7072, 7071, "pixels"), (16_001, 2100, "side"), (2100, 16_001, "side"),
        (19, 100, "tiny"), (100, 19, "tiny"), (1, 1, "tiny"), (20, 161, "aspect"), (161, 20, "aspect"),
    ],
)  # fmt: skip
def test_sides_out_of_bounds_are_refused(file: Path, width: int, height: int, reason: str) -> None:
    """Too many pixels, a side too long, too small, or too thin: each by its own word, by the header."""
    file.write_bytes(images.png_saying(width, height))
    assert refusal(file) == reason


@pytest.mark.parametrize(("width", "height"), [(7071, 7071), (16_000, 2000), (20, 20), (20, 160), (160, 20)])
def test_sides_at_their_bounds_are_taken(file: Path, width: int, height: int) -> None:
    """Each limit is itself allowed."""
    file.write_bytes(images.png_saying(width, height))
    assert (look(file).original.width, look(file).original.height) == (width, height)


@given(width=st.integers(1, 20_000), height=st.integers(1, 20_000))
def test_limits_decide_alike_for_every_size(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int
) -> None:
    """Accepted files keep every limit, and refused ones break the limit that the refusal names."""
    file = tmp_path_factory.getbasetemp() / "any-size.png"
    file.write_bytes(images.png_saying(width, height))
    limits = Limits()
    broken = {
        "pixels": width * height > limits.max_pixels,
        "side": max(width, height) > limits.max_side_px,
        "tiny": min(width, height) < limits.min_side_px,
        "aspect": max(width, height) / min(width, height) > limits.max_aspect,
    }
    if any(broken.values()):
        assert broken[refusal(file)]
    else:
        assert look(file).original.pixels == width * height


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
@pytest.mark.parametrize("spelling", [str.lower, str.upper])
def test_the_operators_list_refuses_by_hash(file: Path, algorithm: str, spelling: Any) -> None:
    """Known "no image" art is refused by SHA-256 or MD5, in capitals or not; other files are not."""
    body = images.small_jpeg()
    file.write_bytes(body)
    listed = {"refused_hashes": [spelling(hashlib.new(algorithm, body).hexdigest()), "0" * 32]}
    assert refusal(file, rules=listed) == "hash"
    file.write_bytes(images.distinct(body, 1))
    assert look(file, rules=listed).original.bytes


@pytest.mark.parametrize(
    "name",
    [
        "9780141439518", "978-0-14-143951-8", "978 0 14 143951 8", "0141439513", "0-14-143951-3",
        "ISBN 0141439513", "978\u20110\u201114\u2011143951\u20118", "urn:isbn:9780141439518",
        "9780141439518_front", "9780141439518 (1)",
    ],
)  # fmt: skip
def test_every_spelling_of_an_isbn_names_the_same_book(file: Path, name: str) -> None:
    """Files are named as people name them; the catalogue has one spelling."""
    file.write_bytes(images.small_jpeg())
    assert look(file, isbn=name).original.identifier.value == NAME


@pytest.mark.parametrize(
    "name", ["", "cover", "9780141439519", "0141439514", "B0000BLD7X", "1111111111", "978014143951", "Thumbs"]
)
def test_a_name_that_is_no_isbn_is_refused(file: Path, name: str) -> None:
    """Check digits are verified; the file is then not even opened."""
    assert refusal(file, isbn=name) == "isbn"


def test_an_ambiguous_name_is_refused(file: Path) -> None:
    """Nine digits that pass as an old SBN and as an ISBN-10 without its X name two books, so none."""
    assert refusal(file, isbn="141439084") == "isbn"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A list may name files that are gone, dangling links, folders, or names no file system has."""
    (tmp_path / "link.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "folder.jpg").mkdir()
    for name in ("absent.jpg", "link.jpg", "loop.jpg", "folder.jpg", "x" * 5000, "a/b/c"):
        assert refusal(tmp_path / name) == "unreadable", name


def test_a_name_with_a_zero_byte_is_refused(tmp_path: Path) -> None:
    """A zero byte can stand in a list's row, never in a file's name."""
    assert refusal(tmp_path / "cover\0.jpg") == "unreadable"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_refused(file: Path) -> None:
    """Somebody else's file is passed over."""
    file.write_bytes(images.small_jpeg())
    file.chmod(0)
    assert refusal(file) == "unreadable"


def test_a_pipe_holds_nobody_up(file: Path) -> None:
    """A named pipe in the folder is refused at once: who opens one to read waits for its writer for ever."""
    os.mkfifo(file)
    reasons: list[str] = []
    looker = threading.Thread(target=lambda: reasons.append(refusal(file)), daemon=True)
    looker.start()
    looker.join(2.0)
    has_hung = looker.is_alive()
    if has_hung:  # a writer that comes and goes lets the thread end
        os.close(os.open(file, os.O_RDWR | os.O_NONBLOCK))
        looker.join(10.0)
    assert not has_hung
    assert reasons == ["unreadable"] or reasons == ["type"]


def test_a_device_or_socket_is_refused(file: Path, tmp_path: Path) -> None:
    """A name that leads to a device without end, or to a socket, is not a picture."""
    file.symlink_to("/dev/zero")
    assert refusal(file, max_bytes=1_000_000) in ("unreadable", "type", "bytes")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s.jpg"))
        assert refusal(tmp_path / "s.jpg") in ("unreadable", "type")


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + name + content


def hevc_photo() -> bytes:
    """A HEIC file as phones write them, with one HEVC picture whose coded bytes are nothing."""
    full = bytes(4)
    hvcc = box(b"hvcC", bytes.fromhex("0101600000009000000000005df000fcfdf8f800000f00"))  # fmt: skip
    ispe = box(b"ispe", full + struct.pack(">II", 300, 450))
    ipma = box(b"ipma", full + struct.pack(">IHBBB", 1, 1, 2, 0x81, 0x02))
    infe = box(b"infe", b"\x02\x00\x00\x00" + struct.pack(">HH", 1, 0) + b"hvc1\x00")
    parts = (
        box(b"hdlr", full + bytes(4) + b"pict" + bytes(13)), box(b"pitm", full + struct.pack(">H", 1)),
        box(b"iinf", full + struct.pack(">H", 1) + infe), box(b"iprp", box(b"ipco", hvcc + ispe) + ipma),
    )  # fmt: skip
    head = box(b"ftyp", b"heic\x00\x00\x00\x00mif1heic")

    def meta(at: int) -> bytes:
        iloc = box(b"iloc", full + struct.pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, at, 64))
        return box(b"meta", full + b"".join(parts) + iloc)

    return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", bytes(64))


def test_a_phones_heic_is_refused_by_name(file: Path) -> None:
    """HEVC has no decoder here, and the refusal says so: the file is not corrupt."""
    file.write_bytes(hevc_photo())
    assert refusal(file) == "codec"


def books(*isbns: str) -> list[Identifier]:
    return [Identifier(ISBN, isbn) for isbn in isbns]


@pytest.mark.parametrize(
    ("isbns", "is_art"),
    [
        (["9780141439518"], False),
        (["9780141439518"] * 9, False),
        (["9780141439518", "9780553293371"], False),
        (["9780141439518", "9780141439556", "9780141439600", "9780141439471"], False),
        (["9780141439518", "9780141439556", "9780141439600", "9780141439471", "9780141439846"], False),
        ([f"9780141{number:06d}" for number in range(99)], False),
        ([f"9780141{number:06d}" for number in range(100)], True),
        (["9780141439518", "9780553293371", "9780060934347"], True),
    ],
)
def test_many_books_or_publishers_with_one_picture_mean_no_picture(isbns: list[str], is_art: bool) -> None:
    """A dozen editions share a cover; a hundred ISBNs, or three publishers, share only "no image" art."""
    assert (same_bytes(books(*isbns), Import()) is not None) is is_art


def test_the_reason_names_the_rule() -> None:
    """What is refused says for how many ISBNs or publishers the bytes came, and which setting decided."""
    three = same_bytes(books("9780141439518", "9780553293371", "9780060934347"), Import(), "shop")
    many = same_bytes(books(*(f"9780141{number:06d}" for number in range(9))), Import(same_bytes_isbns=9))
    assert three
    assert many
    assert three.reason.startswith("shop returned the same bytes for 3 ISBNs of 3 publishers")
    assert "import.same_bytes_publishers = 3" in three.reason
    assert many.reason.startswith("the same bytes came for 9 ISBNs (import.same_bytes_isbns = 9)")


@pytest.mark.parametrize(
    ("isbns", "publishers", "rules", "stands"),
    [
        (7, 1, Import(same_bytes_isbns=7), True),
        (7, 1, Import(same_bytes_isbns=8), False),
        (3, 3, Import(), True),
        (3, 3, Import(same_bytes_publishers=4), False),
        (0, 0, Import(), True),  # of an earlier version, without a number
    ],
)
def test_a_refusal_is_asked_anew(isbns: int, publishers: int, rules: Import, stands: bool) -> None:
    """The limits now in force decide, not those of the day on which the bytes were refused."""
    refused = SameBytes("why", isbns, publishers)
    assert still_refused(refused, rules) == ("why" if stands else None)
    assert still_refused(None, rules) is None


numbers = st.lists(st.integers(9_780_000_000_000, 9_799_999_999_999).map(str), max_size=9)


@given(isbns=numbers, more=numbers, rules=st.builds(Import, same_bytes_isbns=st.integers(2, 9),
                                                    same_bytes_publishers=st.integers(2, 9)))  # fmt: skip
def test_the_rule_counts_books_and_publishers(isbns: list[str], more: list[str], rules: Import) -> None:
    """Order and repetition don't matter, more books never take a suspicion back, and both counts decide."""
    verdict = same_bytes(books(*isbns), rules)
    assert same_bytes(books(*reversed(isbns), *isbns), rules) == verdict
    assert (same_bytes(books(*isbns, *more), rules) is not None) >= (verdict is not None)
    publishers = {isbn[:7] for isbn in isbns}
    many = len(set(isbns)) >= rules.same_bytes_isbns or len(publishers) >= rules.same_bytes_publishers
    assert (verdict is not None) is many
