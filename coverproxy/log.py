"""Log lines: JSON for programs, readable text on a terminal. They never contain a whole key or address."""

import ipaddress
import logging
import sys
import time
from typing import Any

import orjson

from coverproxy.config import Log
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.storage.recent_events import RecentEvents

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up(config: Log) -> None:
    """Send the project's log lines to standard error, as the config says."""
    as_json = config.format == "json" or (config.format == "auto" and not sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else TextLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("aiohttp.server").addFilter(_is_no_bad_request)
    logging.getLogger("coverproxy").setLevel(config.level.upper())


def _is_no_bad_request(record: logging.LogRecord) -> bool:
    """Filter out aiohttp's messages about invalid HTTP: they quote the path, which may contain a key."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not any(each.__name__ == "HttpProcessingError" for each in kind.__mro__)


FAULT_SECONDS = 60.0
"""A lasting fault is logged once in this many seconds, however many requests meet it."""

_recent = RecentEvents()


def fault(
    logger: logging.Logger,
    event: str,
    error: BaseException | str,
    of: str = "",
    *,
    trace: bool = False,
    level: int = logging.ERROR,
    **about: Any,
) -> None:
    """Log a fault of the machine as an error, unless the same one was logged in the last minute.

    Faults are the same if the event and *of* are equal, or, without *of*, the event and the kind of *error*.
    Processes forked from one count as one. `repeated`: how often it occurred since the last line. *trace*:
    add the traceback of an unexpected *error*.
    """
    what = f"{logger.name} {event} {of or _kind(error)}"
    repeated = _recent.repeats(what, time.monotonic(), FAULT_SECONDS)
    if repeated is None:
        return
    about |= {"error": str(error) or repr(error)} | ({"repeated": repeated} if repeated else {})
    raised = error if trace and isinstance(error, BaseException) else None
    logger.log(level, event, extra=about, exc_info=raised)


def forget_faults() -> None:
    """Log the next fault whatever was logged before; for tests."""
    _recent.clear()


def _kind(error: BaseException | str) -> str:
    """Return the kind of an error without its text, which may contain a file name or client input."""
    if isinstance(error, str):
        return error
    if isinstance(error, StoreUnavailable):
        return str(error)
    place, trace = "", error.__traceback__
    while trace:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    number = error.errno if isinstance(error, OSError) else None
    return f"{type(error).__name__} {number}" if number else f"{type(error).__name__} {place}"


def abridged(address: str | None) -> str:
    """Return an address as logs may show it: its network (IPv4 /24, IPv6 /48) without the host."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "-"
    bits = 24 if parsed.version == 4 else 48
    return str(ipaddress.ip_network(f"{parsed}/{bits}", strict=False))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _PLAIN}


class JsonLines(logging.Formatter):
    """One JSON object per line: time (UTC), level, event, then the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        except TypeError:  # a file name that is not UTF-8
            return orjson.dumps({name: _printable(value) for name, value in line.items()}).decode()


def _printable(value: Any) -> str:
    return str(value).encode(errors="backslashreplace").decode()


class TextLines(logging.Formatter):
    """A line for people: time, level, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        fields = "  ".join(f"{name}={value}" for name, value in _fields(record).items())
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        line = f"{clock} {record.levelname.lower():7} {record.getMessage()}"
        line = f"{line}  {fields}" if fields else line
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line
