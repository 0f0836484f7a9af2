"""All metrics by name and labels, in their own registry."""

import os
from pathlib import Path
from time import perf_counter
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

from coverproxy.stats.tallies import SECONDS, Tallies, Tally, TallyCollector

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable with the folder in which prometheus_client keeps the values of all workers."""

_ANSWERS, _SPANS = "coverproxy_answer_seconds", "coverproxy_span_seconds"

_TALLIED = {
    _ANSWERS: ("Time to answer for a cover.", "status"),
    _SPANS: ("Time of a step of making a cover.", "span"),
}
"""Histograms that each new cover adds to, by name: what they tell, and of what."""

_OverWorkers = Literal["livemin", "livemax", "livesum", "livemostrecent"]


class Span:
    """A block that is measured."""

    __slots__ = ("_started", "_tally")

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._started = 0.0

    def __enter__(self) -> None:
        self._started = perf_counter()

    def __exit__(self, *exc: object) -> None:
        self._tally.note(perf_counter() - self._started)


class Metrics:
    """All metrics of one process. Labels are closed sets: never a key, an ISBN or an address."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._tallies = Tallies(_folder())
        self.registry.register(TallyCollector(_TALLIED, self._tallies))
        self._labelled: dict[str, tuple[Counter, Tally]] = {}
        self._of_answers()
        self._of_originals()
        self._of_cache()
        self._of_stores()
        self._of_formats()
        self._of_sources()
        self._of_downloads()

    def _of_answers(self) -> None:
        self.answers = self._counter("coverproxy_answers", "Cover answers by X-Cover-Status.", "status")
        self.making = self._gauge(
            "coverproxy_covers_making", "Covers being made or waiting to be made.", "livesum"
        )

    def span(self, name: str) -> Span:
        """Measure a step of making a cover."""
        return Span(self._tallies.of(_SPANS, name))

    def note_answer(self, label: str, seconds: float) -> None:
        """Count an answer for a cover, and how long it took."""
        if (known := self._labelled.get(label)) is None:
            known = self._labelled[label] = self.answers.labels(label), self._tallies.of(_ANSWERS, label)
        known[0].inc()
        known[1].note(seconds)

    def _of_originals(self) -> None:
        self.unusable = self._counter(
            "coverproxy_originals_unusable", "Originals that could not be rendered, by reason.", "reason"
        )
        self.killed = self._counter(
            "coverproxy_renders_killed", "Renders stopped at render.time_limit_seconds."
        )
        self.quarantined = self._counter(
            "coverproxy_originals_quarantined", "Originals that killed or hung a decoder."
        )

    def _of_cache(self) -> None:
        self.cache_bytes = self._gauge(
            "coverproxy_cache_bytes", "Bytes that the cache takes on disk (estimate).", "livemostrecent"
        )
        self.evictions = self._counter("coverproxy_cache_evictions", "Derivatives evicted from the cache.")
        self.evicted_bytes = self._counter("coverproxy_cache_evicted_bytes", "Bytes freed by eviction.")
        self.cache_refusals = self._counter(
            "coverproxy_cache_refusals", "Derivatives answered, but not stored for lack of space."
        )
        self.store_failures = self._counter(
            "coverproxy_store_failures", "Derivatives made and answered, but not stored."
        )

    def _of_stores(self) -> None:
        self.database_up = self._gauge(
            "coverproxy_database_up",
            "Whether the database that nodes share is heard: 1 yes, 0 no.",
            "livemin",
        )
        self.objects_up = self._gauge(
            "coverproxy_objects_up", "Whether the object store answers: 1 yes, 0 no.", "livemin"
        )
        self.second_tier = self._counter(
            "coverproxy_second_tier", "Looks for derivatives in the object store, by outcome.", "outcome"
        )
        self.second_tier_writes = self._counter(
            "coverproxy_second_tier_writes", "Derivatives for the object store, by outcome.", "outcome"
        )

    def _of_formats(self) -> None:
        self.better = self._counter(
            "coverproxy_better", "Covers wished for in a better format, by what came of it.", "outcome"
        )
        self.better_waiting = self._gauge(
            "coverproxy_better_waiting", "Covers that wait to be made in a better format.", "livesum"
        )
        self.better_pauses = self._counter(
            "coverproxy_better_pauses", "Times that better formats waited, as the machine had other work."
        )
        self.interim = self._counter(
            "coverproxy_answers_interim", "Covers answered in a format that a better one is to follow."
        )

    def _of_sources(self) -> None:
        self.source_asks = self._counter(
            "coverproxy_source_asks", "Requests to a source of originals, by outcome.", "source", "outcome"
        )
        self.source_seconds = self._histogram(
            "coverproxy_source_seconds", "Time until a source answered, or until we gave up.", "source"
        )
        self.source_state = self._gauge(
            "coverproxy_source_state",
            "Circuit breaker state: 0 closed, 1 half-open, 2 open.",
            "livemax",
            "source",
        )
        self.source_refused = self._counter(
            "coverproxy_source_refused",
            "Pictures from a source that were not kept, by reason.",
            "source",
            "reason",
        )

    def _of_downloads(self) -> None:
        self.downloads = self._counter(
            "coverproxy_downloads", "Covers sent whole, by who sent them: app or nginx.", "by"
        )
        self.downloads_lost = self._counter(
            "coverproxy_downloads_lost", "Downloads that could not be counted: odd lines, or too many."
        )

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(name, about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, *labels: str) -> Histogram:
        """Return a histogram of seconds."""
        return Histogram(name, about, labels, buckets=SECONDS, registry=self.registry)

    def _gauge(self, name: str, about: str, over_workers: _OverWorkers, *labels: str) -> Gauge:
        """Return a gauge; *over_workers*: how prometheus_client makes one value of all workers'."""
        return Gauge(name, about, labels, registry=self.registry, multiprocess_mode=over_workers)

    def text(self) -> bytes:
        """Return all values in the Prometheus text format, summed over all workers."""
        return generate_latest(self._whole())

    def answered(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return the number of answers by status, and by upper bound of the answer time (text, seconds).

        Over all workers since the start; the second counts are cumulative, as Prometheus has them. Blocks:
        with workers it reads a file of each.
        """
        answers: dict[str, int] = {}
        seconds: dict[str, int] = {}
        for family in self._whole().collect():
            for sample in family.samples:
                if sample.name == "coverproxy_answers_total":
                    answers[sample.labels["status"]] = int(sample.value)
                elif sample.name == "coverproxy_answer_seconds_bucket":
                    bound = sample.labels["le"]
                    seconds[bound] = seconds.get(bound, 0) + int(sample.value)
        return answers, seconds

    def _whole(self) -> CollectorRegistry:
        if folder := _folder():
            registry = CollectorRegistry()
            registry.register(TallyCollector(_TALLIED, folder))
            multiprocess.MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
            return registry
        return self.registry


def _folder() -> str | None:
    """Return the folder that all workers keep their values in, if there is one."""
    folder = os.environ.get(MULTIPROCESS)
    return folder if folder and Path(folder).is_dir() else None
