"""Readers of headers stop at a count of pieces: a file of millions of them takes no time that others need."""

import images
import pytest

from coverproxy.domain.formats import Format, Loader, dimensions
from coverproxy.imaging import gif
from coverproxy.imaging.completeness import seems_whole


@pytest.mark.parametrize(("blocks", "is_found"), [(50_000, True), (150_000, False)])
def test_a_gif_of_one_byte_blocks_is_not_read_for_ever(blocks: int, is_found: bool) -> None:
    """An extension in blocks of one byte each is passed over up to a hundred thousand of them."""
    frame = b"\x2c" + bytes(4) + (20).to_bytes(2, "little") * 2 + b"\x00"
    body = b"GIF89a" + bytes(7) + b"\x21\xfe" + b"\x01x" * blocks + b"\x00" + frame
    assert gif.first_frame(body) == ((0, 0, 20, 20) if is_found else None)


def test_an_answer_of_many_boxes_is_no_avif_of_ours() -> None:
    """What a render process returns is walked through for a moment; an AVIF of more boxes is none."""
    body = images.drawn("avif")
    at = int.from_bytes(body[:4])
    spaced = [body[:at] + b"\0\0\0\x08free" * count + body[at:] for count in (10, 100)]
    assert [dimensions(each, Format.AVIF) for each in (body, *spaced)] == [(240, 360), (240, 360), None]


def test_a_heif_of_many_boxes_is_for_a_decoder_to_judge() -> None:
    """Whether it is whole is not found out from a hundred thousand boxes and more."""
    body = images.drawn("avif")
    spaced = [body + b"\0\0\0\x08free" * count for count in (10, 200_000)]
    assert [seems_whole(each, Loader.HEIF) for each in (body, *spaced)] == [True, True, False]
