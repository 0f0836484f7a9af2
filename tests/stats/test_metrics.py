"""What is measured of a cover: its steps, and its answer."""

import time

import pytest

from coverproxy.stats.metrics import Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """One series of the registry."""
    found = metrics.registry.get_sample_value(name, labels)
    return 0.0 if found is None else found


def test_a_step_is_measured_whether_it_ends_well_or_not() -> None:
    """Each block counts once under its step's name, with the seconds that it took; an error is passed on."""
    metrics = Metrics()
    for _ in range(2):
        with metrics.span("store"):
            time.sleep(0.01)
    with pytest.raises(ZeroDivisionError), metrics.span("read"):
        _ = 1 // 0
    assert value(metrics, "coverproxy_span_seconds_count", span="store") == 2
    assert 0.02 <= value(metrics, "coverproxy_span_seconds_sum", span="store") < 2
    assert value(metrics, "coverproxy_span_seconds_count", span="read") == 1


def test_an_answer_is_counted_and_timed() -> None:
    """Each status has its own count and times."""
    metrics = Metrics()
    for label, seconds in (("made", 0.25), ("made", 0.5), ("hit", 0.001)):
        metrics.note_answer(label, seconds)
    assert value(metrics, "coverproxy_answers_total", status="made") == 2
    assert value(metrics, "coverproxy_answer_seconds_sum", status="made") == 0.75
    assert metrics.answered()[0] == {"made": 2, "hit": 1}
