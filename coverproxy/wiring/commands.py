"""Builds what commands need: the importer, a person's upload."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from coverproxy.config import Config
from coverproxy.originals.examine import Refusal
from coverproxy.service.contribute import Contributor
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.importer import Importer
from coverproxy.stats.metrics import Metrics
from coverproxy.wiring.data_folder import DataFolder
from coverproxy.wiring.decoding import open_decoder
from coverproxy.wiring.sources import contributor_of, ingestor_of


@contextmanager
def open_importer(
    config: Config, shelf: DataFolder, on_refusal: Callable[[Refusal], None]
) -> Iterator[Importer]:
    """Open the importer."""
    with open_decoder(config, shelf, Metrics()) as (guard, _):
        limits, rules = config.limits, config.imports
        yield Importer(
            shelf.catalogue, shelf.files, guard, shelf.invalidator, limits, rules, on_refusal,
            config.usual_sizes.values(),
        )  # fmt: skip


@contextmanager
def open_contributor(config: Config, shelf: DataFolder) -> Iterator[tuple[Contributor, DecodeGuard]]:
    """Open the contributor, for a person's file at the command line."""
    with open_decoder(config, shelf, Metrics()) as (guard, _):
        yield contributor_of(config, shelf, ingestor_of(config, shelf, {})), guard
