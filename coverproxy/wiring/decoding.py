"""Builds decoders: each in its own process, behind the guard that charges originals."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from coverproxy.config import Config
from coverproxy.imaging.decoder import render_processes
from coverproxy.imaging.render_processes import RenderProcesses
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.stats.metrics import Metrics
from coverproxy.wiring.data_folder import DataFolder


@contextmanager
def open_guard(
    config: Config, shelf: DataFolder, metrics: Metrics, processes: RenderProcesses
) -> Iterator[DecodeGuard]:
    """Open the guard of some render processes."""
    guard = DecodeGuard(Path(config.data.dir), processes, shelf.catalogue, metrics)
    guard.open()
    try:
        yield guard
    finally:
        guard.close()


@contextmanager
def open_decoder(
    config: Config, shelf: DataFolder, metrics: Metrics, patience: float = 1.0
) -> Iterator[tuple[DecodeGuard, RenderProcesses]]:
    """Open a guard with one render process of its own. *patience*: factor on the time limit of a render."""
    with (
        closing(render_processes(config, 1, patience)) as processes,
        open_guard(config, shelf, metrics, processes) as guard,
    ):
        yield guard, processes
