"""The circuit breaker as a value: which asks pass, whatever happens in whatever order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.domain.breaker import (
    FAILURES,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_WISH,
    PROBE_SECONDS,
    Breaker,
    BreakerState,
)


def failing(times: int, now: float = 0.0) -> Breaker:
    """A breaker after so many failures in a row."""
    breaker = Breaker()
    for _ in range(times):
        breaker = breaker.failed(now)
    return breaker


def test_it_opens_after_some_failures_in_a_row() -> None:
    """One failure fewer leaves it closed; a success in between begins anew."""
    assert failing(FAILURES - 1).state(0) is BreakerState.CLOSED
    assert failing(FAILURES).state(0) is BreakerState.OPEN
    assert not failing(FAILURES).admits(0)
    assert failing(FAILURES - 1).succeeded(0).failed(0).state(0) is BreakerState.CLOSED


def test_one_probe_passes_when_the_pause_is_over() -> None:
    """Half open, the first who asks passes and nobody else; the probe's success closes it."""
    half = failing(FAILURES)
    assert half.state(FIRST_PAUSE) is BreakerState.HALF_OPEN
    assert half.admits(FIRST_PAUSE)
    probing = half.asked(FIRST_PAUSE)

    assert not probing.admits(FIRST_PAUSE)
    assert probing.succeeded(FIRST_PAUSE) == Breaker()


def test_a_probe_that_fails_doubles_the_pause() -> None:
    """Pauses double up to the longest, and stay there."""
    breaker, now, pauses = failing(FAILURES), 0.0, []
    for _ in range(12):
        now = breaker.open_until or 0.0
        breaker = breaker.asked(now).failed(now)
        pauses.append((breaker.open_until or 0.0) - now)

    assert pauses[:3] == [2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE


def test_a_lost_probe_is_given_up() -> None:
    """A probe that was cancelled blocks nobody for good."""
    probing = failing(FAILURES).asked(FIRST_PAUSE)

    assert probing.admits(FIRST_PAUSE + PROBE_SECONDS)


def test_late_answers_change_nothing() -> None:
    """Asks that were under way when it opened fail or not, and count for nothing."""
    for opened in (failing(FAILURES), Breaker().told_to_wait(0.0, 60.0)):
        assert opened.failed(1.0) == opened
        assert opened.succeeded(1.0) == opened


@pytest.mark.parametrize(("wish", "kept"), [(30.0, 30.0), (-5.0, 0.0), (1e9, LONGEST_WISH)])
def test_a_wish_to_be_left_alone_is_obeyed(wish: float, kept: float) -> None:
    """So long as the source wished, a day at most, nobody asks; then one does."""
    breaker = Breaker().told_to_wait(100.0, wish)

    assert breaker.open_until == 100.0 + kept
    assert breaker.admits(100.0 + kept)


def test_a_shorter_wish_takes_nothing_back() -> None:
    """Of two wishes the longer one counts."""
    assert Breaker().told_to_wait(0.0, 60.0).told_to_wait(1.0, 5.0).open_until == 60.0


events = st.lists(st.tuples(st.sampled_from(["ask", "ok", "fail", "wait"]), st.floats(0, 400)), max_size=60)


@given(events=events)
def test_it_always_comes_back(events: list[tuple[str, float]]) -> None:
    """Whatever happened, a day of silence later somebody is admitted, and one answer closes it."""
    breaker, now = Breaker(), 0.0
    for event, pause in events:
        now += pause
        if event == "ask" and breaker.admits(now):
            breaker = breaker.asked(now)
        elif event == "ok":
            breaker = breaker.succeeded(now)
        elif event == "fail":
            breaker = breaker.failed(now)
        else:
            breaker = breaker.told_to_wait(now, pause)
        assert breaker.state(now) is not BreakerState.OPEN or not breaker.admits(now)

    assert breaker.admits(now + LONGEST_WISH)
    assert breaker.succeeded(now + LONGEST_WISH).state(now) is BreakerState.CLOSED


@given(times=st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_half_open_lets_one_pass_at_a_time(times: list[float]) -> None:
    """However many ask at one moment of a half-open breaker, one passes."""
    breaker = failing(FAILURES)
    passed = 0
    for _ in times:
        if breaker.admits(FIRST_PAUSE):
            breaker = breaker.asked(FIRST_PAUSE)
            passed += 1

    assert passed == 1
