"""Run all benchmarks one after the other, and tell the goals.

    python -m bench all [--covers DIR] [--popularity TSV] [--quick] [--only NAME]

Each runs in a process of its own with its defaults and may take no longer than twenty minutes; one that
fails is told, and the others go on. Ends with the table of goals and writes it to goals.json: from the
results that this run wrote, and, told as such, from those that stand there of runs before. Takes some 30
minutes on two cores that nobody else uses; `bad-images` and `chaos` judge no speed and are left out.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import orjson

from bench import command, goals, report, scratch

ORDER = (
    "hits",
    "misses",
    "waiting",
    "storm",
    "crashes",
    "overload",
    "mixed",
    "info",
    "quality",
    "scale",
    "soak",
)
MOST_SECONDS = 1200.0
WITHOUT_COVERS = ("info", "scale")
QUICK = {
    "hits": "--books 1000 --hot 200 --peer-books 100 --seconds 2 --rounds 1",
    "misses": "--books 6000 --seconds 2 --rounds 1",
    "waiting": "--seconds 3 --rounds 1",
    "storm": "--storms 3",
    "crashes": "--each 5",
    "overload": "--seconds 5 --warm 2",
    "mixed": "--seconds 8",
    "info": "--books 20000 --rounds 1",
    "quality": "--every 10",
    "scale": "--books 20000 --books 200000 --files 2000 --files 20000",
    "soak": "--minutes 0.5 --misses 1000",
}
"""Options for a run that only shows that all of it works."""


@command.command(__name__, __doc__)
@command.covers
@click.option("--popularity", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="For mixed.")
@click.option(
    "--quick", is_flag=True, help="Short turns, small sizes: shows that it runs; figures say little."
)
@click.option("--only", type=click.Choice(ORDER), multiple=True, help="Not all, but these.")
@command.out
def main(covers: Path | None, popularity: Path | None, quick: bool, only: tuple[str, ...], out: Path) -> None:
    """Run them in their order; exit with 1 where one failed."""
    failed, took, fresh = {}, {}, []
    # All folders go at the very end, also of a run that is interrupted: see bench/scratch.py.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as kept:
        os.environ[scratch.KEPT_IN] = kept
        for name in only or ORDER:
            print(f"\n== {name} ==", flush=True)
            started, result = time.time(), out / f"{name}.json"
            options = _options(name, covers, popularity, out) + (QUICK[name].split() if quick else [])
            if reason := _run(name, options):
                failed[name] = reason
            took[name] = round(time.time() - started)
            if result.exists() and result.stat().st_mtime >= started:  # one that fails may have written it
                fresh.append(name)
    told = [goal for name in ORDER for goal in _goals(out / f"{name}.json", is_fresh=name in fresh)]
    print("\n" + goals.table(told))
    for name, reason in failed.items():
        print(f"{name} FAILED: {reason}")
    settings = {"quick": quick, "seconds_taken": took, "failed": failed}
    print(report.write("goals", settings, told, out))
    sys.exit(1 if failed else 0)


def _options(name: str, covers: Path | None, popularity: Path | None, out: Path) -> list[str]:
    options = ["--out", str(out)]
    if covers and name not in WITHOUT_COVERS:
        options += ["--covers", str(covers)]
    if popularity and name == "mixed":
        options += ["--popularity", str(popularity)]
    return options


def _run(name: str, options: list[str]) -> str:
    """Run one; return why it failed, or ""."""
    process = subprocess.Popen([sys.executable, "-m", "bench", name, *options])
    try:
        code = process.wait(MOST_SECONDS)
    except subprocess.TimeoutExpired:
        return f"took longer than {MOST_SECONDS:.0f} s"
    finally:
        process.terminate()  # it ends what it has started
        process.wait(60)
    return f"exit code {code}" if code else ""


def _goals(path: Path, *, is_fresh: bool) -> list[dict[str, Any]]:
    """Return the goals of a result, if it is there; a note says where they are not of this run."""
    if not path.exists():
        return []
    result = orjson.loads(path.read_bytes())
    on = result["machine"]
    of = "" if is_fresh else f"of {on['date']}, commit {on['commit']}, {on['cpu']}"
    return [goal | {"note": "; ".join(filter(None, (goal["note"], of)))} for goal in result["goals"]]
