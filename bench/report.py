"""What every benchmark writes beside its figures: the machine, the versions, the settings, the goals."""

import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson

from bench import goals, scratch
from bench.goals import Goal

RESULTS = Path(__file__).parent / "results"

_LOAD_BEFORE = round(os.getloadavg()[0], 2)
"""Taken when the benchmark starts: at its end it would be its own."""

_PACKAGES = ("coverproxy", "aiohttp", "pyvips", "pyvips-binary", "orjson", "uvloop", "ssimulacra2")


def machine() -> dict[str, Any]:
    """Say what the figures were taken on, and with what."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load_before": _LOAD_BEFORE,
        "scratch_on": scratch.file_system(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
        "commit": _commit(),
    }


def write(
    name: str,
    settings: Mapping[str, Any],
    figures: Any,
    folder: Path = RESULTS,
    *,
    held: Sequence[Goal] = (),
    versions: Mapping[str, str] | None = None,
) -> Path:
    """Write one benchmark's result as JSON, and print its goals; return where.

    *held*: the goals that the figures were held against. *versions*: those of peers and other programs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    on = machine()
    on["versions"] |= versions or {}
    told = [goal.told() for goal in held]
    result = {"machine": on, "settings": settings, "goals": told, "figures": figures}
    path.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    if told:
        print(goals.table(told))
    return path


def show(figures: Any) -> None:
    """Print figures as they come to stand in the JSON."""
    print(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode(), flush=True)


def spread(values: Iterable[float], digits: int | None = None) -> dict[str, float]:
    """Return the percentiles that a latency is told by, in the unit of *values*; of none, nothing."""
    ordered = sorted(values)
    if not ordered:
        return {}
    at = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999}
    found = {name: ordered[min(int(part * len(ordered)), len(ordered) - 1)] for name, part in at.items()}
    found |= {"max": ordered[-1], "mean": statistics.fmean(ordered)}
    return found if digits is None else {name: round(value, digits) for name, value in found.items()}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()
