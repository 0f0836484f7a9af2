"""All metrics by name and labels, in their own registry."""

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable that makes prometheus_client keep values in files, which are summed over all workers.

"""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """All metrics of one process. Labels are closed sets: never a key, an ISBN or an address."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "coverproxy_answers", "Cover answers by X-Cover-Status.", ["status"], registry=self.registry
        )
        self.seconds = Histogram(
            "coverproxy_answer_seconds", "Time to answer for a cover.", ["status"],
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.spans = Histogram(
            "coverproxy_span_seconds", "Time of a step of making a cover.", ["span"],
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.unusable = Counter(
            "coverproxy_originals_unusable", "Originals that could not be rendered, by reason.", ["reason"],
            registry=self.registry,
        )  # fmt: skip
        self.store_failures = Counter(
            "coverproxy_store_failures", "Derivatives made and answered, but not stored.",
            registry=self.registry,
        )  # fmt: skip
        self.killed = Counter(
            "coverproxy_renders_killed", "Renders stopped at render.time_limit_seconds.",
            registry=self.registry,
        )  # fmt: skip
        self.quarantined = Counter(
            "coverproxy_originals_quarantined", "Originals that killed or hung a decoder.",
            registry=self.registry,
        )  # fmt: skip
        self.cache_bytes = Gauge(
            "coverproxy_cache_bytes", "Bytes that the cache takes on disk (estimate).",
            registry=self.registry, multiprocess_mode="livemostrecent",
        )  # fmt: skip
        self.evictions = Counter(
            "coverproxy_cache_evictions", "Derivatives evicted from the cache.", registry=self.registry
        )
        self.evicted_bytes = Counter(
            "coverproxy_cache_evicted_bytes", "Bytes freed by eviction.", registry=self.registry
        )
        self.cache_refusals = Counter(
            "coverproxy_cache_refusals", "Derivatives answered, but not stored for lack of space.",
            registry=self.registry,
        )  # fmt: skip
        self.making = Gauge(
            "coverproxy_covers_making", "Covers being made or waiting to be made.", registry=self.registry,
            multiprocess_mode="livesum",
        )  # fmt: skip

        self.database_up = Gauge(
            "coverproxy_database_up", "Whether the database that nodes share is heard: 1 yes, 0 no.",
            registry=self.registry, multiprocess_mode="livemin",
        )  # fmt: skip
        self._of_objects()
        self._of_formats()
        self._of_sources()
        self._of_downloads()

    def _of_downloads(self) -> None:
        self.downloads = Counter(
            "coverproxy_downloads", "Covers sent whole, by who sent them: app or nginx.", ["by"],
            registry=self.registry,
        )  # fmt: skip
        self.downloads_lost = Counter(
            "coverproxy_downloads_lost", "Downloads that could not be counted: odd lines, or too many.",
            registry=self.registry,
        )  # fmt: skip

    def _of_objects(self) -> None:
        self.objects_up = Gauge(
            "coverproxy_objects_up", "Whether the object store answers: 1 yes, 0 no.",
            registry=self.registry, multiprocess_mode="livemin",
        )  # fmt: skip
        self.second_tier = Counter(
            "coverproxy_second_tier", "Looks for derivatives in the object store, by outcome.", ["outcome"],
            registry=self.registry,
        )  # fmt: skip
        self.second_tier_writes = Counter(
            "coverproxy_second_tier_writes", "Derivatives for the object store, by outcome.", ["outcome"],
            registry=self.registry,
        )  # fmt: skip

    def _of_formats(self) -> None:
        self.better = Counter(
            "coverproxy_better", "Covers wished for in a better format, by what came of it.", ["outcome"],
            registry=self.registry,
        )  # fmt: skip
        self.better_waiting = Gauge(
            "coverproxy_better_waiting", "Covers that wait to be made in a better format.",
            registry=self.registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self.better_pauses = Counter(
            "coverproxy_better_pauses", "Times that better formats waited, as the machine had other work.",
            registry=self.registry,
        )  # fmt: skip
        self.interim = Counter(
            "coverproxy_answers_interim", "Covers answered in a format that a better one is to follow.",
            registry=self.registry,
        )  # fmt: skip

    def _of_sources(self) -> None:
        self.source_asks = Counter(
            "coverproxy_source_asks", "Requests to a source of originals, by outcome.", ["source", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self.source_seconds = Histogram(
            "coverproxy_source_seconds", "Time until a source answered, or until we gave up.", ["source"],
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.source_state = Gauge(
            "coverproxy_source_state", "Circuit breaker state: 0 closed, 1 half-open, 2 open.",
            ["source"], registry=self.registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self.source_refused = Counter(
            "coverproxy_source_refused", "Pictures from a source that were not kept, by reason.",
            ["source", "reason"], registry=self.registry,
        )  # fmt: skip

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
        folder = os.environ.get(MULTIPROCESS)
        if folder and Path(folder).is_dir():
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
            return registry
        return self.registry
