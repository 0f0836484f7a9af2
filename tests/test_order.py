"""The order of the tests."""

from pathlib import Path

from order import IN_CHROMIUM, LONG


def test_every_file_that_comes_first_is_there() -> None:
    """A file that is renamed keeps its place, or its entry goes; none stands there twice."""
    named = [*IN_CHROMIUM, *LONG]
    assert [each for each in named if not (Path(__file__).parent / each).is_file()] == []
    assert len(set(named)) == len(named)
