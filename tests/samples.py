"""Values that several tests share: ISBNs, small pictures, originals."""

from pathlib import Path

import images
from hypothesis import settings
from hypothesis import strategies as st

from coverproxy.domain.formats import Loader
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Identifier

EASY = settings(deadline=None)
"""Properties are about values; another test measures how long one example takes."""


def check_of_13(twelve: str) -> str:
    """The check digit of ISO 2108, worked out here a second time."""
    return str(-sum(int(digit) * (1, 3)[at % 2] for at, digit in enumerate(twelve)) % 10)


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=count, max_size=count)


THIRTEENS = st.tuples(st.sampled_from(["978", "979"]), digits(9)).map(
    lambda parts: (twelve := "".join(parts)) + check_of_13(twelve)
)


def book(number: int) -> str:
    """The ISBN-13 of an unknown book: one of a publisher of its own for every number."""
    digits = f"9788{number:03d}00000"
    return digits + str(-sum(int(each) * (1, 3)[at % 2] for at, each in enumerate(digits)) % 10)


def shrunk(path: Path) -> bytes:
    from coverproxy.imaging import vips

    return bytes(vips.library().Image.new_from_file(str(path)).resize(0.1).jpegsave_buffer())


def original(digest: bytes = b"1" * 16) -> Original:
    """An original with these bytes."""
    return Original(Identifier("isbn", "9780141439518"), digest, Loader.JPEG, 10, 10, 1, 1)


ODD = [images.with_odd_adobe, images.with_new_jfif, images.with_odd_scan, images.with_padding]
