"""Histograms of several processes and threads, added to without prometheus_client."""

import os
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Histogram

from coverproxy.stats.metrics import MULTIPROCESS, Metrics
from coverproxy.stats.tallies import MOST, SECONDS, Tallies, TallyCollector

FAMILIES = {"steps": ("What steps take.", "step")}


def sample(source: Tallies | str, name: str, **labels: str) -> float | None:
    """One series of what a collector reads."""
    registry = CollectorRegistry()
    registry.register(TallyCollector(FAMILIES, source))
    return registry.get_sample_value(name, labels)


def test_buckets_are_those_of_prometheus() -> None:
    """Every bucket, sum and count is the one that prometheus_client's own histogram has."""
    tallies, registry = Tallies(None), CollectorRegistry()
    theirs = Histogram("steps", "What steps take.", ["step"], buckets=SECONDS, registry=registry)
    for seconds in (0.0, 0.001, 0.0011, 0.3, 9.0, 10.0, 11.0, 500.0):
        tallies.of("steps", "read").note(seconds)
        theirs.labels("read").observe(seconds)
    samples = [each for family in registry.collect() for each in family.samples if "created" not in each.name]
    assert len(samples) == len(SECONDS) + 3
    for each in samples:
        assert sample(tallies, each.name, **each.labels) == each.value


def test_threads_lose_nothing() -> None:
    """What several threads add at once is all counted."""
    tallies = Tallies(None)

    def add() -> None:
        for _ in range(20_000):
            tallies.of("steps", "read").note(0.5)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sample(tallies, "steps_count", step="read") == 80_000
    assert sample(tallies, "steps_sum", step="read") == 40_000


def test_all_processes_are_summed_at_once(tmp_path: Path) -> None:
    """What a process adds is read by another at that moment, and stays when it is killed."""
    ours = Tallies(str(tmp_path))
    ours.of("steps", "read").note(0.5)
    if (child := os.fork()) == 0:
        Tallies(str(tmp_path)).of("steps", "read").note(2.0)
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    ours.of("steps", "store").note(0.1)
    assert sample(str(tmp_path), "steps_count", step="read") == 2
    assert sample(str(tmp_path), "steps_sum", step="read") == 2.5
    assert sample(str(tmp_path), "steps_count", step="store") == 1


def test_workers_metrics_have_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics of several workers, in the folder of their service, tell what each of them measured."""
    monkeypatch.setenv(MULTIPROCESS, str(tmp_path))
    first, second = Metrics(), Metrics()
    first.note_answer("made", 0.25)
    second.note_answer("made", 0.5)
    with second.span("render"):
        pass
    for metrics in (first, second):
        text = metrics.text().decode()
        assert 'coverproxy_answer_seconds_sum{status="made"} 0.75' in text
        assert 'coverproxy_span_seconds_count{span="render"} 1.0' in text
        assert metrics.answered()[1]["+Inf"] == 2


def test_there_is_a_most() -> None:
    """A process has a bounded number of rows, and says so rather than to lose what is counted."""
    tallies = Tallies(None)
    for number in range(MOST):
        tallies.of("steps", str(number))
    with pytest.raises(ValueError, match="no row for steps 64"):
        tallies.of("steps", str(MOST))
    with pytest.raises(ValueError, match="no row"):
        Tallies(None).of("steps", "a" * 100)
