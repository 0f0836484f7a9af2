"""Boxes that are filled exactly: padded in the picture's own colour, or cropped a little."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from images import jpeg, solid
from PIL import Image

from coverproxy.config import Limits, Size
from coverproxy.domain.errors import ConfigError
from coverproxy.domain.formats import Format
from coverproxy.imaging.framing import MAX_CUT, frame
from coverproxy.imaging.render import render

SIDES = st.tuples(st.integers(10, 3000), st.integers(10, 3000))


@given(original=SIDES, box=st.tuples(st.integers(10, 800), st.integers(10, 800)))
def test_cropping_keeps_what_matters(original: tuple[int, int], box: tuple[int, int]) -> None:
    """A crop fills the box, enlarges nothing, and cuts at most 15 % of a side; all else is padded."""
    wanted = frame(original, Size(width=box[0], height=box[1], fit="crop"))

    assert wanted.box == box
    if wanted.is_cut:
        assert wanted.scaled[0] >= box[0]
        assert wanted.scaled[1] >= box[1]
        assert wanted.scaled[0] <= original[0] + 1
        kept = min(box[0] / wanted.scaled[0], box[1] / wanted.scaled[1])
        assert kept >= 1 - MAX_CUT
    else:
        assert wanted == frame(original, Size(width=box[0], height=box[1], fit="pad"))
        assert wanted.scaled[0] <= box[0]
        assert wanted.scaled[1] <= box[1]


@pytest.mark.parametrize("form", [Format.JPEG, Format.WEBP])
@pytest.mark.parametrize(
    ("original", "fit", "is_cut"),
    [
        ((400, 600), "crop", True), ((400, 660), "crop", True), ((600, 400), "crop", False),
        ((50, 70), "pad", False),
    ],
)  # fmt: skip
def test_the_box_is_exact(original: tuple[int, int], fit: str, is_cut: bool, form: Format) -> None:
    """Whatever its shape, a picture comes as exactly the box, and the same twice; what is padded is whole."""
    body = jpeg(solid((200, 30, 30), *original))
    size = Size(width=160, height=240, fit=fit)  # type: ignore[arg-type]
    made, again = render(body, size, form, Limits()), render(body, size, form, Limits())

    assert made.body == again.body
    assert made.size == (160, 240)
    assert Image.open(BytesIO(made.body)).size == (160, 240)
    assert frame(original, size).is_cut is is_cut
    corner = Image.open(BytesIO(made.body)).convert("RGB").getpixel((1, 1))
    assert all(abs(one - other) < 12 for one, other in zip(corner, (200, 30, 30), strict=True)), corner  # type: ignore[arg-type]


def test_a_filled_box_is_another_revision() -> None:
    """A size that begins to pad has its covers made anew; one that says "fit", as ever, has not."""
    plain = Size(width=100, height=150)
    assert Size(width=100, height=150, fit="fit").revision(Format.JPEG, 1) == plain.revision(Format.JPEG, 1)
    others = [Size(width=100, height=150, fit=fit) for fit in ("pad", "crop")]
    revisions = {each.revision(Format.JPEG, 1) for each in (plain, *others)}
    assert len(revisions) == 3


def test_no_more_than_three_each() -> None:
    """Each is one more derivative of every cover: the config refuses a fourth that crops."""
    from coverproxy.config import load

    sizes = {f"card{number}": {"width": 100 + number, "height": 150, "fit": "crop"} for number in range(4)}
    with pytest.raises(ConfigError, match="at most 3"):
        load(None, {}, {"sizes": sizes})
