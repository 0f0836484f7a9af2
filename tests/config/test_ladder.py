"""The ladder: every wish leads to a rung, and a rung that is a named size is that size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.config import load
from coverproxy.domain.errors import ConfigError, NoSuchSize
from coverproxy.web import sizes

TABLE = load(None, {}).size_table
WIDTHS = (60, 100, 160, 200, 320, 400, 500, 640, 800)


def test_named_sizes_are_rungs() -> None:
    """small, medium, large and xlarge are w100, w200, w500 and w1000: one name on disk for each."""
    assert TABLE.aliases == {"w100": "small", "w200": "medium", "w500": "large", "w1000": "xlarge"}
    assert [TABLE.named(f"w{width}") for width in (60, 200, 1000)] == ["w60", "medium", "xlarge"]
    assert TABLE.named("w61") is None


def test_a_size_of_another_box_is_no_rung() -> None:
    """An operator's own box of a name stays what it is, and the rung has its own settings."""
    table = load(None, {}, {"sizes": {"small": {"width": 120, "height": 180}}}).size_table

    assert (table.named("small"), table.named("w100")) == ("small", "w100")


@given(st.integers(0, 20_000), st.integers(0, 20_000))
def test_a_wish_is_snapped_up(width: int, height: int) -> None:
    """The smallest rung of the ladder that is no smaller than the wish; above the ladder the largest."""
    name = TABLE.snapped(width, height)
    fitting = [each for each in WIDTHS if each >= width and each * 3 // 2 >= height]

    assert TABLE.sizes[name].width == (fitting or [800])[0]


@pytest.mark.parametrize(
    ("name", "query", "size", "is_wish"),
    [
        ("medium", {}, "medium", False),
        ("w320", {}, "w320", False),
        ("w200", {}, "medium", False),
        ("w321", {}, "w400", True),
        ("small@2x", {}, "medium", True),
        ("small@1x", {}, "small", False),
        ("medium@2x", {}, "w400", True),
        ("medium@3x", {}, "w640", True),
        ("w160@2x", {}, "w320", True),
        ("medium", {"w": "300"}, "w320", True),
        ("medium", {"h": "151"}, "w160", True),
        ("small", {"w": "100", "dpr": "2"}, "medium", True),
        ("medium", {"w": "9999"}, "w800", True),
        ("xlarge", {}, "xlarge", False),
        ("w1000", {}, "xlarge", False),
        ("xlarge@2x", {}, "xlarge", True),
        ("xlarge", {"w": "700"}, "w800", True),
        ("medium", {"w": "0"}, "medium", False),
        ("medium", {"w": "10000"}, "medium", False),
        ("medium", {"w": "-5", "h": "1e3", "dpr": "x"}, "medium", False),
        ("medium", {"width": "300"}, "medium", False),
    ],
)
def test_what_a_request_asks_for(name: str, query: dict[str, str], size: str, is_wish: bool) -> None:
    """Names, rungs, densities and pixels; what is not a number of 1 to 9999 is passed over."""
    assert sizes.asked(TABLE, name, query) == (size, is_wish)


@pytest.mark.parametrize("name", ["huge", "w321x", "medium@4x", "medium@2", "@2x", "w-1"])
def test_other_names_are_unknown(name: str) -> None:
    """A name that is not in the table is not a size, whatever the query asks for."""
    with pytest.raises(NoSuchSize):
        sizes.asked(TABLE, name, {"w": "100"})


@pytest.mark.parametrize("widths", [[200, 100], [100, 100], [5], [3000], list(range(10, 40))])
def test_a_ladder_rises_and_has_an_end(widths: list[int]) -> None:
    """Widths that do not rise, or are too many, too small or too large, are a mistake of the config."""
    with pytest.raises(ConfigError, match=r"ladder\.widths"):
        load(None, {}, {"ladder": {"widths": widths}})


def test_without_a_ladder_wishes_lead_to_named_sizes() -> None:
    """An empty ladder leaves what there was."""
    table = load(None, {}, {"ladder": {"widths": []}}).size_table

    assert set(table.sizes) == {"small", "medium", "large", "xlarge"}
    assert [table.snapped(width) for width in (1, 150, 201, 9999)] == ["small", "medium", "large", "xlarge"]


def test_quality_falls_along_the_ladder() -> None:
    """One curve: within one kind of chroma no rung is encoded finer than a smaller one."""
    encoders = [TABLE.sizes[TABLE.named(f"w{width}") or ""].jpeg for width in (*WIDTHS, 1000)]
    for chroma in ("4:4:4", "4:2:0"):
        qualities = [each.quality for each in encoders if each.chroma == chroma]
        assert qualities == sorted(qualities, reverse=True)
