"""Builds decoders: each in its own process, behind the guard that journals crashes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coverproxy.config import Config
from coverproxy.imaging.decoder import render_processes
from coverproxy.imaging.render_process import RenderProcesses
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.stats.metrics import Metrics
from coverproxy.wiring.data_folder import DataFolder


@contextmanager
def open_guard(
    config: Config, shelf: DataFolder, metrics: Metrics, count: int, patience: float = 1.0, niceness: int = 0
) -> Iterator[tuple[DecodeGuard, RenderProcesses]]:
    """Open *count* decoders, each in its process. *patience*: factor on the time limit of a render."""
    processes = render_processes(config, count, patience, niceness)
    guard = DecodeGuard(Path(config.data.dir), processes, shelf.catalogue, metrics)
    guard.open()
    try:
        yield guard, processes
    finally:
        guard.close()
        processes.close()
