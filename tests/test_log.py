"""Log lines: one JSON object each, or text for people; never a whole key or address."""

import ipaddress
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coverproxy.config import Log
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.log import FAULT_SECONDS, JsonLines, TextLines, abridged, fault, set_up
from coverproxy.storage.recent_events import RecentEvents


def record(event: str = "made", *args: object, level: int = logging.INFO, **fields: Any) -> logging.LogRecord:
    made = logging.getLogger("coverproxy.test").makeRecord(
        "coverproxy.test", level, "file.py", 1, event, args, None, extra=fields
    )
    made.created, made.msecs = 1_226_617_761.25, 250.0
    return made


def failed() -> logging.LogRecord:
    try:
        raise ValueError("an inner reason")
    except ValueError:
        made = record("an answer failed", level=logging.ERROR)
        made.exc_info = sys.exc_info()
        return made


def test_a_json_line_is_time_level_event_and_fields() -> None:
    """A line is one JSON object: UTC time, level, event, then the record's own fields in their order."""
    line = JsonLines().format(record(spec="medium/isbn/9780545010221.jpg", ms=3.5))

    assert [*orjson.loads(line).items()] == [
        ("time", "2008-11-13T23:09:21.250Z"),
        ("level", "info"),
        ("event", "made"),
        ("spec", "medium/isbn/9780545010221.jpg"),
        ("ms", 3.5),
    ]


def test_a_json_line_fills_in_its_event() -> None:
    """Arguments of an event are filled in, as other libraries log them."""
    line = orjson.loads(JsonLines().format(record("%d of %s", 3, "five", level=logging.WARNING)))

    assert (line["event"], line["level"]) == ("3 of five", "warning")


def test_a_json_line_holds_its_traceback() -> None:
    """An exception is in the same line as its event, not spread over twenty."""
    line = JsonLines().format(failed())

    assert "\n" not in line
    assert "ValueError: an inner reason" in orjson.loads(line)["traceback"]


def test_a_json_line_takes_what_json_does_not(tmp_path: Path) -> None:
    """Paths, exceptions and sets are logged as text rather than lost with their line."""
    line = orjson.loads(JsonLines().format(record(path=tmp_path, error=OSError("full"), of={1: "a"})))

    assert (line["path"], line["error"], line["of"]) == (str(tmp_path), "full", {"1": "a"})


def test_a_json_line_takes_names_that_are_no_utf8() -> None:
    """A file name that is not UTF-8, as old shares have, does not cost the line."""
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")

    line = orjson.loads(JsonLines().format(record(f"skipped {name}", path=name)))

    assert line["path"].startswith("caf")
    assert line["event"].startswith("skipped caf")


TEXTS = st.text(max_size=30)
FIELDS = st.dictionaries(
    st.sampled_from(["spec", "why", "error", "bytes", "key", "of"]),
    st.one_of(TEXTS, st.integers(-(2**63), 2**63), st.floats(), st.none(), st.lists(TEXTS, max_size=3)),
)


@settings(deadline=None)
@given(TEXTS, FIELDS)
def test_every_json_line_parses(event: str, fields: dict[str, Any]) -> None:
    """Whatever is logged, the line is one line and one JSON object that has it."""
    line = JsonLines().format(record(event.replace("%", "%%"), **fields))

    assert not set(line) & set("\n\r")
    assert orjson.loads(line).keys() == {"time", "level", "event"} | fields.keys()


def test_a_text_line_is_for_people() -> None:
    """A line for a person: clock, level, event, then the fields by name."""
    line = TextLines().format(record(spec="medium/isbn/9780545010221.jpg", ms=3.5))

    assert line[2] == line[5] == ":"
    assert line[8:] == " info    made  spec=medium/isbn/9780545010221.jpg  ms=3.5"


def test_a_text_line_without_fields_ends_with_its_event() -> None:
    """No fields, no space at the end."""
    assert TextLines().format(record("stopped")).endswith(" info    stopped")


def test_a_text_line_is_followed_by_its_traceback() -> None:
    """A person gets the traceback below the line, as they know it."""
    first, *rest = TextLines().format(failed()).splitlines()

    assert first.endswith(" error   an answer failed")
    assert rest[0] == "Traceback (most recent call last):"
    assert rest[-1] == "ValueError: an inner reason"


ADDRESSES = [
    ("192.0.2.77", "192.0.2.0/24"),
    ("127.0.0.1", "127.0.0.0/24"),
    ("2001:db8:1:2::3", "2001:db8:1::/48"),
    ("::1", "::/48"),
    ("fe80::1%eth0", "fe80::/48"),
    ("not an address", "-"),
    ("192.0.2.77:8080", "-"),
    ("/run/coverproxy.sock", "-"),
    ("", "-"),
    (None, "-"),
]


@pytest.mark.parametrize(("address", "network"), ADDRESSES, ids=str)
def test_an_address_is_told_by_its_network(address: str | None, network: str) -> None:
    """An IPv4 address is logged as its /24, an IPv6 one as its /48; anything else is not logged at all."""
    assert abridged(address) == network


@settings(deadline=None)
@given(st.ip_addresses())
def test_no_host_is_told(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """The logged network contains the address and at least 256 hosts."""
    network = ipaddress.ip_network(abridged(str(address)))

    assert address in network
    assert network.num_addresses >= 256


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_has_an_abridged_form(text: str) -> None:
    """Whatever a proxy says an address is, the log line is written."""
    assert abridged(text) == "-" or "/" in abridged(text)


@contextmanager
def logging_to_stderr(config: Log) -> Iterator[None]:
    """Logging as set up by *config*, and as pytest wants it afterwards."""
    root, ours, vips = (logging.getLogger(name) for name in ("", "coverproxy", "pyvips"))
    before = root.handlers, root.level, ours.level, vips.level
    set_up(config)
    try:
        yield
    finally:
        root.handlers, levels = before[0], before[1:]
        for logger, level in zip((root, ours, vips), levels, strict=True):
            logger.setLevel(level)


Captured = pytest.CaptureFixture[str]


def test_set_up_writes_json_where_nobody_looks(capsys: Captured) -> None:
    """Without a terminal "auto" is JSON; lines below the level are left out."""
    with logging_to_stderr(Log(level="warning")):
        logging.getLogger("coverproxy.service").info("made")
        logging.getLogger("coverproxy.service").warning("unusable original", extra={"why": "decode"})

    (line,) = capsys.readouterr().err.splitlines()
    assert orjson.loads(line)["why"] == "decode"


def test_set_up_writes_text_on_a_terminal() -> None:
    """On a terminal "auto" is text."""
    ours, theirs = os.openpty()
    code = (
        "import logging; from coverproxy.log import set_up; from coverproxy.config import Log; "
        "set_up(Log()); logging.getLogger('coverproxy').info('made')"
    )
    subprocess.run([sys.executable, "-c", code], stderr=theirs, check=True)
    os.close(theirs)
    with open(ours, "rb", buffering=0) as terminal:  # noqa: PTH123 - a descriptor, not a path
        shown = terminal.read(1000).decode()

    assert shown.rstrip().endswith(" info    made")


@pytest.mark.parametrize("form", ["json", "text"])
def test_set_up_obeys_the_config(capsys: Captured, form: Literal["json", "text"]) -> None:
    """A form that is named is taken wherever it goes to."""
    with logging_to_stderr(Log(format=form)):
        logging.getLogger("coverproxy").info("made")

    assert capsys.readouterr().err.startswith("{") is (form == "json")


def test_set_up_twice_writes_once(capsys: Captured) -> None:
    """Setting up again, as a worker does, doubles no line."""
    with logging_to_stderr(Log()), logging_to_stderr(Log()):
        logging.getLogger("coverproxy").info("made")

    assert len(capsys.readouterr().err.splitlines()) == 1


def test_other_libraries_only_warn(capsys: Captured) -> None:
    """Other libraries' chatter is left out, their warnings are not."""
    with logging_to_stderr(Log(level="debug")):
        logging.getLogger("asyncio").info("chatter")
        logging.getLogger("asyncio").warning("slow")

    assert [orjson.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["slow"]


def test_a_fault_that_lasts_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A hundred requests that meet it are one line; another event, store or error number is another fault."""
    logger = logging.getLogger("coverproxy.test")
    for number in range(100):
        fault(logger, "cannot be stored", OSError(28, "full", f"file{number}"))
        fault(logger, "cannot be stored", OSError(5, "broken", f"file{number}"))
        fault(logger, "cannot be read", StoreUnavailable("state.db: locked"))
        fault(logger, "cannot be read", StoreUnavailable("catalogue.db: locked"))
        fault(logger, "an answer failed", ValueError(str(number)), trace=True)

    assert [each.msg for each in caplog.records] == [
        "cannot be stored", "cannot be stored", "cannot be read", "cannot be read", "an answer failed",
    ]  # fmt: skip
    assert "file0" in vars(caplog.records[0])["error"]


def test_how_often_it_was_met_is_counted() -> None:
    """After a minute it is news again, with the count of what was held back; a clock set back is news too."""
    recent = RecentEvents()
    assert [recent.repeats("a", at, FAULT_SECONDS) for at in (100.0, 101.0, 159.9)] == [0, None, None]
    assert recent.repeats("b", 101.0, FAULT_SECONDS) == 0
    assert recent.repeats("a", 160.0, FAULT_SECONDS) == 2
    assert recent.repeats("a", 20.0, FAULT_SECONDS) == 0
    recent.clear()
    assert recent.repeats("a", 21.0, FAULT_SECONDS) == 0


def test_faults_do_not_drive_each_other_out() -> None:
    """Of 200 faults that last each is news once, whatever their places: two of ours shared one.

    While state.db was locked, both were logged with every cover.
    """
    recent = RecentEvents()
    faults = [
        "coverproxy.accounts.accounts a cover cannot be counted yet state.db: database is locked",
        "coverproxy.service.databases a database has a fault state.db",
        *map(str, range(200)),
    ]
    assert [recent.repeats(each, 1.0, FAULT_SECONDS) for each in faults] == [0] * len(faults)
    assert [recent.repeats(each, 2.0, FAULT_SECONDS) for each in faults] == [None] * len(faults)


def test_processes_forked_from_one_log_a_fault_once() -> None:
    """Of eight workers that meet the same fault at the same moment one says so."""
    recent, got = RecentEvents(), os.pipe()
    workers = []
    for _ in range(8):
        if (worker := os.fork()) == 0:
            os.write(got[1], b"1" if recent.repeats("the same", 1.0, FAULT_SECONDS) == 0 else b"0")
            os._exit(0)
        workers.append(worker)
    for worker in workers:
        os.waitpid(worker, 0)

    assert sorted(os.read(got[0], 100)) == sorted(b"10000000")
    for handle in got:
        os.close(handle)
