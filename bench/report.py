"""What every benchmark writes beside its figures: the machine, the versions, the settings."""

import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson

RESULTS = Path(__file__).parent / "results"

_PACKAGES = ("coverproxy", "aiohttp", "pyvips", "pyvips-binary", "orjson", "uvloop", "ssimulacra2")


def machine() -> dict[str, Any]:
    """Say what the figures were taken on, and with what."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
        "commit": _commit(),
    }


def write(name: str, settings: dict[str, Any], figures: Any, folder: Path = RESULTS) -> Path:
    """Write one benchmark's result as JSON; return where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    result = {"machine": machine(), "settings": settings, "figures": figures}
    path.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return path


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the percentiles that a latency is told by, in the unit of *values*."""
    ordered = sorted(values)
    at = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999}
    found = {name: ordered[min(int(part * len(ordered)), len(ordered) - 1)] for name, part in at.items()}
    return {**found, "max": ordered[-1], "mean": statistics.fmean(ordered)}


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
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()
