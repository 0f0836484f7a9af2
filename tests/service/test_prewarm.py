"""Covers made ahead: each once, at a bounded share of the machine, and safe to cut short."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import images
import orjson
import pytest
from conftest import COVERED, UNCOVERED, Running, Start, configured, fill
from running import ENVIRONMENT, Process, children, ended, key, run, started

from coverproxy.cli.progress import LINE_EVERY_SECONDS
from coverproxy.concurrency.process_pool import NICENESS, cores, pace
from coverproxy.demo.classics import CLASSICS
from coverproxy.domain import isbn
from coverproxy.domain.errors import NotAnIsbn
from coverproxy.domain.isbn_list import lines

EVERY = [value for book in CLASSICS for value in book.isbns]
ISBNS = EVERY[:8]
SLOW = {f"COVERPROXY_SIZES__{size}__AVIF__EFFORT": "1" for size in ("SMALL", "MEDIUM", "LARGE")}
"""AVIF by its least effort takes long enough to be watched, interrupted and met by a server."""


@pytest.fixture
def data(tmp_path: Path, drawn: Path, stocked: Path) -> Path:
    """A data folder with the drawn covers in, and nothing made of them yet."""
    fill(configured(tmp_path / "data"), stocked, drawn)
    return tmp_path / "data"


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list of eight books that have a drawn cover."""
    path = tmp_path / "list.txt"
    path.write_text("\n".join(ISBNS) + "\n")
    return path


@pytest.fixture
def long_list(tmp_path: Path) -> Path:
    """A list of all books that have a drawn cover: long enough to be interrupted in the middle."""
    path = tmp_path / "all.txt"
    path.write_text("\n".join(EVERY) + "\n")
    return path


def warm(listed: str | Path, data: Path, *options: str | Path, **environment: Any) -> Any:
    """Run `warm --json` to its end and return what it told."""
    return orjson.loads(run("warm", listed, "--json", *options, data=data, **environment))


def start(listed: Path, data: Path, *options: str, stderr: int = subprocess.PIPE) -> Process:
    """Start warming AVIFs, which takes seconds, in a session of its own as a terminal gives it."""
    words = ("warm", listed, "--data", data, "--format", "avif", *options)
    return started(*words, env=ENVIRONMENT | SLOW, stderr=stderr, session=True)


def within(seconds: float, is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def stored(data: Path, ending: str = "jpg") -> set[Path]:
    """The derivatives on disk, in their canonical spelling."""
    return set((data / "cache" / "v2" / "img").glob(f"*/*/*/isbn/*/*/?????????????.{ending}"))


def workers(process: Process) -> list[int]:
    """The processes that do the work."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(each) for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]


def test_a_list_is_made_once(data: Path, listed: Path) -> None:
    """All sizes as JPEG by default; the second run makes nothing, and does not even read what is there."""
    first = warm(listed, data)
    before = {path: path.stat().st_ctime_ns for path in stored(data)}
    second = warm(listed, data)

    assert (first["lines"], first["made"], first["failed"]) == (len(ISBNS), 3 * len(ISBNS), 0)
    assert len(before) == 3 * len(ISBNS)
    assert (second["made"], second["already"]) == (0, 3 * len(ISBNS))
    assert {path: path.stat().st_ctime_ns for path in stored(data)} == before


def test_only_what_is_named_is_made(data: Path, listed: Path) -> None:
    """--size and --format narrow it; a size that is none, or a format that is off, is told."""
    told = warm(listed, data, "--size", "small", "--format", "webp", "--format", "jpg")

    assert told["made"] == 2 * len(ISBNS)
    assert {path.parts[-7] for path in stored(data) | stored(data, "webp")} == {"small"}
    assert "expected one of small, medium, large" in run("warm", listed, "--size", "x", data=data, code=2)
    off = {"COVERPROXY_FORMATS__AVIF": "false"}
    assert "formats.avif" in run("warm", listed, "--format", "avif", data=data, code=2, **off)


async def test_it_makes_what_the_service_would_and_costs_no_quota(start: Start, tmp_path: Path) -> None:
    """A server finds a warmed cover as a hit, in the very bytes it would have made; no key pays for it."""
    server = await start()
    path = tmp_path / "list.txt"
    path.write_text(COVERED)
    ours = await server.get(server.path(size="large"))
    (file,) = server.folder.cache.layout.top.glob(f"img/large/jpg/*/isbn/*/*/{COVERED}.jpg")
    file.unlink()
    told = await asyncio.to_thread(warm, path, Path(server.config.data.dir), "--size", "large")
    theirs = await server.get(server.path(size="large"))

    assert (told["made"], ours.cover, theirs.cover) == (1, "made", "hit")
    assert (theirs.body, theirs.headers["ETag"]) == (ours.body, ours.headers["ETag"])
    assert list((await server.service.accounts.usage(server.key)).values())[-1] == 1


def test_no_key_is_needed_and_none_counts(data: Path, listed: Path) -> None:
    """Without a key it works; with one, its count stays 0."""
    warm(listed, data, "--size", "small")
    name = key(data)
    warm(listed, data, "--size", "medium")
    assert orjson.loads(run("key", "show", name, "--json", data=data))["made_today"] == 0


async def test_with_a_server_at_the_same_covers_each_is_made_once(start: Start, listed: Path) -> None:
    """A server asked for all covers while they are warmed: what the two made adds up to all, none twice."""
    quick = {size: {"avif": {"effort": 1}} for size in ("small", "medium", "large")}  # as SLOW has it
    server = await start(sizes=quick, render={"answer_within_seconds": 60.0})
    folder = Path(server.config.data.dir)
    warming = asyncio.create_task(
        asyncio.to_thread(warm, listed, folder, "--format", "avif", "--share", "1", **SLOW)
    )
    while not stored(folder, "avif"):
        await asyncio.sleep(0.01)
    statuses = await _asked_for_all(server, ISBNS[::-1])
    told = await warming

    assert set(statuses) <= {"made", "hit"}
    assert min(told["made"], statuses.count("made")) > 0
    assert told["made"] + statuses.count("made") == 3 * len(ISBNS)
    assert told["made"] + told["already"] == 3 * len(ISBNS)
    usage = await server.service.accounts.usage(server.key)
    assert list(usage.values())[-1] == statuses.count("made")


async def _asked_for_all(server: Running, isbns: list[str]) -> list[str]:
    few = asyncio.Semaphore(4)

    async def one(path: str) -> str:
        async with few:
            return (await server.get(path)).cover

    paths = [server.path(f"{value}.avif", size=size) for value in isbns for size in server.config.usual_sizes]
    return await asyncio.gather(*(one(path) for path in paths))


def test_an_interrupted_run_goes_on_where_it_was(data: Path, listed: Path, long_list: Path) -> None:
    """Ctrl-C: exit code 130 and a summary that is true, nothing half done; the next run makes the rest."""
    process = start(long_list, data, "--json")
    within(90, lambda: len(stored(data, "avif")) > 3)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    told, made = json.loads(out), len(stored(data, "avif"))

    assert (process.returncode, err, told["interrupted"]) == (130, "", True)
    assert told["made"] == made < 3 * len(EVERY)
    assert list((data / "cache" / "v2" / "tmp").iterdir()) == []
    rest = warm(listed, data, "--format", "avif", **SLOW)
    assert rest["already"] > 0
    assert (rest["already"] + rest["made"], rest["failed"]) == (3 * len(ISBNS), 0)


def test_ctrl_c_says_how_to_go_on(data: Path, long_list: Path) -> None:
    """For people the summary says so, and progress into a pipe is plain lines."""
    process = start(long_list, data, "--share", "0.1")
    within(90, lambda: stored(data, "avif"))
    time.sleep(LINE_EVERY_SECONDS)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "run the same command again to go on" in out
    assert f"of {len(EVERY)} " in err
    assert "\x1b" not in err


def test_a_worker_that_is_killed_is_replaced(data: Path, listed: Path) -> None:
    """kill -9 of a worker (out of memory, a crash) loses no cover: what it had in hand is done again."""
    process = start(listed, data, "--json")
    within(90, lambda: stored(data, "avif"))
    os.kill(workers(process)[0], signal.SIGKILL)
    out, _ = process.communicate(timeout=60)
    told = json.loads(out)

    assert (process.returncode, told["lines"], told["failed"]) == (0, len(ISBNS), 0)
    assert len(stored(data, "avif")) == 3 * len(ISBNS)


def test_workers_end_with_their_parent(data: Path, long_list: Path) -> None:
    """kill -9 of the command itself leaves no process behind."""
    process = start(long_list, data, "--share", "1")
    within(90, lambda: stored(data, "avif"))
    left = workers(process)
    assert len(left) == cores()
    process.kill()
    process.communicate(timeout=60)
    within(90, lambda: not any(Path(f"/proc/{each}/cmdline").exists() for each in left))


@pytest.mark.parametrize(
    ("share", "count", "workers", "duty"),
    [(0.5, 2, 1, 1.0), (0.25, 2, 1, 0.5), (0.75, 2, 2, 0.75), (1.0, 8, 8, 1.0), (0.01, 1, 1, 0.01)],
)
def test_the_share_is_of_the_whole_machine(share: float, count: int, workers: int, duty: float) -> None:
    """As few processes as can take the share, each working for such a part of the time."""
    got = pace(share, count)
    assert got.workers == workers
    assert got.duty == pytest.approx(duty)


def test_the_share_is_kept(data: Path, long_list: Path) -> None:
    """While it works, its workers take about their share of all cores' time, and are nice about it."""
    share = 0.15
    process = start(long_list, data, "--share", str(share))
    within(90, lambda: len(stored(data, "avif")) > 1)
    (worker,) = workers(process)
    for _ in range(4):  # it waits for the disk too, which may be busy for a while
        used, queued = _shares(worker, 4.0)
        assert used < 1.4 * share
        if 0.4 * share < used + queued and used > 0.01 * share:
            break
    niceness = os.getpriority(os.PRIO_PROCESS, worker)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)

    assert 0.4 * share < used + queued  # it gives way to whatever else runs
    assert used > 0.01 * share
    assert niceness == min(os.getpriority(os.PRIO_PROCESS, 0) + NICENESS, 19)


def _shares(worker: int, seconds: float) -> tuple[float, float]:
    """Which share of all cores' time it takes for so long, and for which it waits for one."""
    before, queued, started = _cpu_seconds(worker), _queued_seconds(worker), time.monotonic()
    time.sleep(seconds)
    all_of_it = (time.monotonic() - started) * cores()
    return (_cpu_seconds(worker) - before) / all_of_it, (_queued_seconds(worker) - queued) / all_of_it


def _with_children(process: int) -> list[int]:
    """A worker, and the render process that does most of its work."""
    return [process, *children(process)]


def _cpu_seconds(process: int) -> float:
    return sum(map(_own_cpu_seconds, _with_children(process)))


def _own_cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _queued_seconds(process: int) -> float:
    """How long its threads could have run and had no core to run on."""
    tasks = (task for each in _with_children(process) for task in Path(f"/proc/{each}/task").iterdir())
    return sum(int((task / "schedstat").read_text().split()[1]) for task in tasks) / 1e9


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("9780141439518\n\n  \n# a comment\n0-14-143955-6\r\n", ["9780141439518", "0-14-143955-6"]),
        ("\ufeffISBN,title\n9780141439518,Pride\n", ["9780141439518"]),
        ("title\tisbn\nPride\t9780141439518\nNone\n", ["9780141439518", ""]),
        ('title;ISBN-13\n"a; b";978-0-14-143951-8\n', ["978-0-14-143951-8"]),
        ("9780141439518,Pride,1813\n", ["9780141439518"]),
        ('"9780141439518 (stray mark)\n9780141439556\n', ["9780141439518 (stray mark)", "9780141439556"]),
        ("9780141439518 | 0141439556\n", ["9780141439518 | 0141439556"]),
        ("", []),
        (
            "Title,ISBN,ISBN13\nEmma,,9780141439518\nP,junk,9780141439556\nQ,0141439556,9780141439518\nR,x,\n",
            ["9780141439518", "9780141439556", "0141439556", "x"],
        ),
        ('Title,ISBN,ISBN13\nEmma,"=""""","=""9780141439518"""\n', ['="9780141439518"']),
        ("title;eISBN\nEmma;9780141439518\n", ["9780141439518"]),
        ("title;EAN\nEmma;9780141439518\n", ["9780141439518"]),
        ("ean;isbn 13\n1;9780141439518\n", ["9780141439518"]),
    ],
)
def test_lists_of_every_kind_are_read(text: str, found: list[str]) -> None:
    """Plain lists, tables with and without a header, with any delimiter: the ISBN's text of each line."""
    assert [line.text for line in lines(text.splitlines(keepends=True))] == found


def test_a_messy_list_is_told_line_by_line(data: Path, tmp_path: Path) -> None:
    """What is not made is counted, and written to --report with its line, its reason and a detail."""
    listed, report = tmp_path / "messy", tmp_path / "reports" / "r.jsonl"
    ten = "0-14-143951-3 (pbk.)"
    listed.write_bytes(
        f"# ours\n{ten}\n\nISBN: {COVERED}\n{UNCOVERED}\n9780141439519\nnone \xff\n".encode("latin-1")
    )
    told = orjson.loads(run("warm", listed, "--json", "--report", report, data=data, code=3))
    unmade = [orjson.loads(line) for line in report.read_bytes().splitlines()]

    assert (told["made"], told["already"], told["missing"], told["invalid"]) == (3, 3, 1, 2)
    assert [(each["line"], each["reason"]) for each in unmade] == [
        (5, "missing"), (6, "invalid"), (7, "invalid"),
    ]  # fmt: skip
    assert "check digit" in unmade[1]["detail"]
    assert "5 lines: 0 covers made, 6 already there" in run("warm", listed, data=data, code=3)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_a_list_is_read_in_the_encodings_of_spreadsheets(data: Path, tmp_path: Path, encoding: str) -> None:
    """UTF-16 with a BOM or without, and UTF-8 with one: as a file and from a pipe."""
    body = f"isbn\r\n{COVERED}\r\n".encode(encoding)
    (tmp_path / "list.txt").write_bytes(body)
    assert warm(tmp_path / "list.txt", data, "--size", "small")["made"] == 1
    piped = ended("warm", "-", "--size", "small", "--data", data, "--json", sent=body)
    assert orjson.loads(piped.stdout)["already"] == 1


@pytest.mark.parametrize(
    ("body", "says"), [(images.small_jpeg(), "picture"), (b"PK\x03\x04", "ZIP"), (b"# none\n\n", "empty")]
)
def test_what_is_no_list_is_one_clear_line(tmp_path: Path, body: bytes, says: str) -> None:
    """A picture, an archive or an empty file as LIST: one sentence, exit code 1, nothing made."""
    path = tmp_path / "some.jpg"
    path.write_bytes(body)
    (tmp_path / "data" / "originals").mkdir(parents=True)
    done = ended("warm", path, "--data", tmp_path / "data")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"Error: {path}: ")
    assert says in done.stderr
    assert not (tmp_path / "data" / "cache").exists()


def test_the_exit_code_and_the_words_say_how_much_was_made(data: Path, tmp_path: Path) -> None:
    """0 where all is made or has no cover, 3 where a line has no ISBN, 1 where all have none; "1 line"."""
    listed = tmp_path / "list.txt"
    listed.write_text("x1\n")
    run("warm", listed, data=data, code=1)
    listed.write_text(f"{UNCOVERED}\n")
    assert run("warm", listed, data=data).startswith("1 line: 0 covers made")
    listed.write_text(f"x1\n{COVERED}\n")
    assert "2 lines: 1 cover made" in run("warm", listed, "--size", "small", data=data, code=3)
    listed.write_text(f"{UNCOVERED}\n{COVERED}\n")
    assert "1 book without a cover" in run("warm", listed, data=data)


def test_standard_input_is_a_list(data: Path) -> None:
    """`-` reads the list from a pipe."""
    done = ended("warm", "-", "--data", data, "--json", sent=f"{COVERED}\n".encode())
    assert orjson.loads(done.stdout)["made"] == 3


def test_the_readings_of_a_list_entry_are_chosen_as_the_service_does(data: Path, tmp_path: Path) -> None:
    """Of `978… | 0…` the first with a cover is made; nine digits that mean two covered books are none."""
    listed = tmp_path / "list"
    listed.write_text(f"{UNCOVERED} | {COVERED}\n")
    assert warm(listed, data)["made"] == 3
    assert {path.stem for path in stored(data)} == {COVERED}

    nine, both = next(
        (str(number), found.isbns)
        for number in range(100_000_000, 100_100_000)
        if (found := _read(str(number))) and found.only_one
    )
    (tmp_path / "both").mkdir()
    for value in both:
        (tmp_path / "both" / f"{value}.jpg").write_bytes(images.small_jpeg())
    run("import", tmp_path / "both", data=data)
    listed.write_text(f"{nine}\n")
    told = warm(listed, data)
    assert (told["made"], told["missing"]) == (0, 1)
    assert {path.stem for path in stored(data)} == {COVERED}


def _read(text: str) -> isbn.IsbnReading | None:
    try:
        return isbn.parse(text)
    except NotAnIsbn:
        return None


def test_a_corrupt_original_fails_once_and_is_then_no_cover(data: Path, tmp_path: Path, drawn: Path) -> None:
    """An original that cannot be decoded is told as failed; the next run knows, and it has no cover."""
    body = (drawn / "9780141439556.jpg").read_bytes()
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "9781853260001.jpg").write_bytes(body)
    run("import", tmp_path / "more", data=data)
    (stored,) = (data / "originals").rglob("9781853260001-*")
    stored.write_bytes(body[: len(body) // 2])  # a failing disk
    listed, report = tmp_path / "list", tmp_path / "r.jsonl"
    listed.write_text("9781853260001\n9780141439556\n")

    assert orjson.loads(run("warm", listed, "--json", "--report", report, data=data, code=3))["failed"] == 1
    (line,) = report.read_text().splitlines()
    assert "can be rendered" in json.loads(line)["detail"]
    assert warm(listed, data)["missing"] == 1


def test_it_ends_where_nothing_can_be_stored(data: Path, listed: Path) -> None:
    """A disk that takes no more covers ends the run with exit code 1 and the reason, not after a million."""
    warm(listed, data, "--size", "medium")
    for shard in (data / "cache" / "v2" / "img").glob("medium/*/*/isbn/*"):
        for file in sorted(shard.rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
        shard.rmdir()
        shard.write_text("in the way")
    done = ended("warm", listed, "--data", data, "--size", "medium")

    assert done.returncode == 1
    assert "Ended early: covers cannot be stored: Not a directory" in done.stdout


def test_it_does_not_push_out_what_visitors_ask_for(data: Path, listed: Path) -> None:
    """With the cache nearly full it ends and says so, rather than have old covers evicted for new ones."""
    small = ENVIRONMENT | {"COVERPROXY_CACHE__MAX_BYTES": "470000"}
    done = ended("warm", listed, "--data", data, "--json", env=small)
    told = orjson.loads(done.stdout)

    assert done.returncode == 1
    assert "cache.max_bytes" in told["ended"]
    assert 0 < told["made"] < 3 * len(ISBNS)


def test_a_terminal_gets_a_bar(data: Path, listed: Path) -> None:
    """On a terminal there is a bar with a rate and the time left."""
    ours, theirs = pty.openpty()
    with start(listed, data, "--size", "small", stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 65536)
            except OSError:  # EIO: the other side is closed
                break
        os.close(ours)

    assert process.returncode == 0
    assert b"warming" in shown
    assert f"{len(ISBNS)}/{len(ISBNS)}".encode() in shown
    assert b"/s" in shown


def test_a_list_that_is_not_there_is_told(data: Path) -> None:
    """A missing list is a usage error, and help says what a list is."""
    assert "does not exist" in run("warm", "nowhere.txt", data=data, code=2)
    assert "column" in run("warm", "--help")
