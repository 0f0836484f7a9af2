"""Charts: their axes, and what they say to those who do not see them."""

from hypothesis import given
from hypothesis import strategies as st

from coverproxy.web.pages.charts import Bar, bars, round_above


@given(st.floats(0, 1e12))
def test_an_axis_ends_at_a_round_number_not_far_above(most: float) -> None:
    """It is not below the highest bar, at most twice as high (from 2 on), and has two digits at most."""
    top = round_above(most)

    assert top >= most
    assert top <= max(2, 2 * most)
    assert len(f"{top:.0f}".rstrip("0")) == 1


def test_a_chart_says_unit_and_ends() -> None:
    """Its axis has the unit, 0, half and top; below are the first, the middle and the last bar's names."""
    told = str(bars("x", "A & B", "d", [Bar("<1>", 3), Bar("2", 7, 2), Bar("3", 0)], "covers", " ms"))

    assert '<p class="unit">covers</p>' in told
    assert "<span>8</span><span>4</span><span>0</span>" in told
    assert "<span>&lt;1&gt;</span><span>2</span><span>3</span>" in told
    assert told.count("<rect") == 3
    assert "<title>2: 7 ms</title>" in told
