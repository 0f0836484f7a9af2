"""The benchmarks' own arithmetic is right, and `python -m bench` runs without their extra."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ending import Ending
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # at the end, so that an installed coverproxy is not shadowed

from bench import bad_images, books, capacity, goals, misses, readers, report, scratch, serve, soak  # noqa: E402
from bench.__main__ import COMMANDS  # noqa: E402
from coverproxy.domain import isbn  # noqa: E402


def run(*arguments: str) -> str:
    """Run `python -m bench` without any of the packages that only the extra brings; return what it says."""
    blocked = (
        "import sys; [sys.modules.update({name: None}) for name in ('matplotlib', 'PIL', 'ssimulacra2')]; "
    )
    program = blocked + "from bench.__main__ import main; main(prog_name='python -m bench')"
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def soaked(resident: list[float], disk: float = 50.0) -> list[dict[str, Any]]:
    """What two workers came to in a row of windows."""
    rest = {"hit_p50_ms": 1.0, "hit_p99_ms": 2.0, "misses_per_second": 9.0, "hit_rate": 0.5, "made": 100}
    return [{**rest, "resident_mib": [100.0, each], "disk_mb": disk} for each in resident]


@pytest.mark.parametrize(
    ("samples", "flood", "holds"),
    [
        (soaked([90, 100, 100, 100]), soaked([100, 100, 110, 115]), True),
        (soaked([90, 100, 120, 140]), soaked([100, 100, 100, 100]), False),  # grew while readers came
        (soaked([90, 100, 100, 100]), soaked([100, 100, 120, 140]), False),  # and by misses
        (soaked([90, 100, 100, 100], disk=60.1), soaked([100] * 4), False),  # over the cap
        (soaked([90, 100, 100, 100]), soaked([100] * 3) + soaked([100], disk=61), False),
    ],
)
def test_a_soak_fails_where_memory_or_disk_grows(
    samples: list[dict[str, Any]], flood: list[dict[str, Any]], holds: bool
) -> None:
    """A tenth more memory in a second half, or a byte over the cache's cap, fails the run."""
    assert soak._told(samples, flood, 60)["holds"] == holds


def test_a_soak_counts_render_processes(tmp_path: Path) -> None:
    """The memory of a worker is that of all below it too."""
    program = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    )
    with Ending[bytes](
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        alone, whole = serve.resident_mib(process.pid), serve.family_mib(process.pid)
        process.communicate(b"\n")

    assert whole > 1.5 * alone > 0


@pytest.mark.parametrize(
    ("ended", "resident", "holds"),
    [
        ({"rendered": 5, "refused: decode": 5}, [90.0, 100.0, 105.0, 109.0], True),
        ({"rendered": 5, "refused: decode": 5}, [90.0, 100.0, 105.0, 111.0], False),
        ({"rendered": 5}, [90.0] * 6 + [120.0, 80.0] + [90.0] * 4 + [136.0, 80.0, 85.0, 130.0], True),
        ({"rendered": 5}, [90.0] * 6 + [120.0, 80.0] + [90.0] * 6 + [110.0, 111.0], False),
        ({"rendered": 9, "broken: KeyError: 'x'": 1}, [90.0, 100.0, 100.0, 100.0], False),
    ],
)
def test_bad_images_fail_where_memory_grows_or_something_breaks(
    ended: dict[str, int], resident: list[float], holds: bool
) -> None:
    """So does one image that ends in what render() does not promise."""
    assert bad_images._told(Counter(ended), resident, 1.0)["holds"] == holds


def test_help_lists_every_command() -> None:
    """`python -m bench --help` names all sub-commands, without the extra installed."""
    said = run("--help")
    assert all(f"  {name} " in said for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_tells_its_question_and_its_command(name: str) -> None:
    """A sub-command's help is its module's docstring: a question or a task, then the line to run it by."""
    from importlib import import_module

    module = import_module(f"bench.{name.replace('-', '_')}")
    first, *rest = (module.__doc__ or "").splitlines()
    assert first.endswith(("?", "."))
    assert any(line.strip().startswith(f"python -m bench {name}") for line in rest)
    assert module.main.name == name


def test_a_goal_is_judged_before_it_is_rounded() -> None:
    """0.8996 is shown as 0.9 and misses 0.90; what could not be measured is neither met nor missed."""
    near = goals.at_least("hits", 0.89996, 0.90)
    assert (near.figure, near.is_met) == (0.9, False)
    assert goals.at_most("wait", 2.0, 2.0).is_met
    assert goals.at_most("wait", None, 2.0).is_met is None


def test_the_table_tells_met_missed_and_not_measured() -> None:
    """Each goal is a line with its bound, its figure, what became of it, and its note."""
    held = [
        goals.at_least("a", 1.5, 1.25),
        goals.at_least("b", 1, 2),
        goals.at_most("c", None, 3, "no nginx"),
    ]
    lines = [line.split() for line in goals.table([goal.told() for goal in held]).splitlines()]
    assert lines == [
        ["a", "≥", "1.25", "1.5", "met"],
        ["b", "≥", "2", "1", "MISSED"],
        ["c", "≤", "3", "–", "not", "measured", "(no", "nginx)"],
    ]


def test_a_ratio_is_taken_round_by_round() -> None:
    """A machine that is slow in one round slows both rivals: the ratio is the same. No rival, no ratio."""
    rounds = {"ours": [100.0, 10.0, 90.0], "theirs": [200.0, 20.0, 180.0], "skipped": []}
    assert goals.ratio(rounds, "ours", "theirs") == 0.5
    assert goals.ratio(rounds, "ours", "skipped") is None
    assert goals.ratio(rounds, "ours", "never there") is None


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=500))
def test_percentiles_are_values_in_order(values: list[float]) -> None:
    """Each percentile is one of the values, none is below a lower one, and max is the largest."""
    told = report.spread(values)
    found = [told[name] for name in ("p50", "p95", "p99", "p999", "max")]
    assert set(found) <= set(values)
    assert found == sorted(found)
    assert found[-1] == max(values)
    assert sum(value <= told["p50"] for value in values) >= len(values) / 2


def test_percentiles_of_a_thousand() -> None:
    """Of 0 to 999, one in a hundred is at least p99; of nothing there are none."""
    assert report.spread(range(1000))["p99"] == 990
    assert report.spread(range(1000))["p50"] == 500
    assert report.spread([]) == {}


def test_the_popularity_curve_is_drawn_as_it_says() -> None:
    """Of many draws among 10,000 books the first hundred get a third of all requests."""
    chance = random.Random(1)  # noqa: S311 - no secret
    weights = readers.zipf(10_000)
    crowd = readers.Readers("", weights, chance)
    first = {books.isbn(number) for number in crowd.ranked[:100]}
    drawn = [crowd.ask(0.0) for _ in range(20_000)]
    plain = [ask.path.rpartition("/")[2] for ask in drawn if ask.kind == "covered"]
    assert sum(name in first for name in plain) / len(plain) == pytest.approx(
        weights[99] / weights[-1], abs=0.02
    )
    assert weights[99] / weights[-1] == pytest.approx(1 / 3, abs=0.02)
    uncovered = sum(ask.kind.startswith("uncovered") for ask in drawn) / len(drawn)
    assert uncovered == pytest.approx(readers.UNCOVERED, abs=0.02)


def test_a_file_of_counts_gives_its_own_weights(tmp_path: Path) -> None:
    """Counts are sorted, summed, and cut to as many books as wanted; a book that nobody asks for is none."""
    path = tmp_path / "counts.tsv"
    path.write_text(
        "isbn13\tcount\n9780000000001\t5\n9780000000002\t20\n9780000000003\t0\n", encoding="utf-8"
    )
    assert readers.counted(path, 10) == [20, 25]
    assert readers.counted(path, 1) == [20]


@given(st.integers(0, 10**8), st.integers(0, len(readers.MESSES) - 1))
def test_every_messy_spelling_names_the_same_book(number: int, mess: int) -> None:
    """The product reads each spelling that the benchmark sends as the book that was meant."""
    from urllib.parse import unquote

    name = books.isbn(number)
    spelled = unquote(readers.MESSES[mess](name)).removesuffix(".jpg")
    assert name in isbn.parse(spelled).isbns


def test_arrivals_come_at_their_rate_and_in_order() -> None:
    """Random arrivals are as many as their rate says, in order, within their time; even ones are even."""
    chance = random.Random(1)  # noqa: S311 - no secret
    moments = list(readers.moments(200, 50, chance))
    assert len(moments) == pytest.approx(200 * 50, rel=0.05)
    assert moments == sorted(moments)
    assert moments[0] > 0
    assert moments[-1] < 50
    assert list(readers.evenly(4, 1)) == [0, 0.25, 0.5, 0.75]


def test_a_server_whose_work_one_process_did_fails_the_run() -> None:
    """CPU time that one process took alone is told; an even share, and a peer that tells none, pass."""
    misses.check_even("ours", [3.0, 2.0])
    misses.check_even("sharp", [])
    with pytest.raises(RuntimeError, match=r"ours: .*0\.1 s"):
        misses.check_even("ours", [5.0, 0.1])


def test_scratch_is_left_to_whoever_asked_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder goes with its benchmark; within `all` it stays until the very end."""
    with scratch.folder() as name:
        assert Path(name).is_dir()
    assert not Path(name).exists()
    monkeypatch.setenv(scratch.KEPT_IN, str(tmp_path))
    with scratch.folder() as name:
        assert Path(name).parent == tmp_path
    assert Path(name).exists()
    assert scratch.file_system() != "unknown"


def test_the_capacity_model_is_what_the_papers_say() -> None:
    """Each row of the table in docs/scale.md is what `bench capacity` computes for it."""
    text = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    table = text.partition("### How much is needed")[2].partition("\n* ")[0]
    cells = [line.replace(",", "").strip("|").split("|") for line in table.splitlines() if line[:3] > "| 0"]
    rows = [list(map(float, row)) for row in cells if row[0].strip().isdigit()]
    assert len(rows) == 3
    for items, requests, *told in rows:
        found = capacity.model(int(items), requests, misses=0.01, covers=2, held=0.1)
        names = ("database_gb", "originals_tb", "covers_tb", "all_nodes_disk_tb", "covers_made_per_second")
        assert told == [found[name] for name in (*names, "cores_planned")]
