"""The machine: its limits, its clock, and its packages."""

import platform
import resource
import sys
from collections.abc import Iterator
from datetime import datetime
from importlib import metadata
from zoneinfo import ZoneInfo

from coverproxy import __version__
from coverproxy.config import Quota
from coverproxy.doctor.checks.finding import Finding, fine, problem, warning

PACKAGES = (
    "aiohttp", "aiosqlite", "gunicorn", "orjson", "prometheus-client", "pydantic", "python-stdnum", "pyvips",
    "uvloop",
)  # fmt: skip

ENOUGH_FILES, LEAST_FILES = 4096, 256

FILES, ZONE, VERSIONS = "open files", "time zone", "versions"


def look(quota: Quota) -> Iterator[Finding]:
    """Check the machine."""
    yield from _versions()
    yield _open_files(*resource.getrlimit(resource.RLIMIT_NOFILE))
    now = datetime.now(ZoneInfo(quota.time_zone))
    yield fine(ZONE, f"{quota.time_zone}: it is {now:%Y-%m-%d %H:%M}; the quota's day ends at midnight")


def _versions() -> Iterator[Finding]:
    have, lacking = [f"coverproxy {__version__}", f"Python {platform.python_version()}"], []
    for name in PACKAGES:
        try:
            have.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lacking.append(name)
    if lacking:
        advice = f"{sys.executable} -m pip install {' '.join(lacking)}"
        yield problem(VERSIONS, f"not installed: {', '.join(lacking)}", advice)
    yield fine(VERSIONS, ", ".join(have))


def _open_files(soft: int, hard: int) -> Finding:
    """Judge the limit: every connection takes a file, and every cover being sent may take one."""
    if soft == resource.RLIM_INFINITY or soft >= ENOUGH_FILES:
        return fine(FILES, f"at most {'any number' if soft == resource.RLIM_INFINITY else soft}")
    here = f"; in a shell: ulimit -n {ENOUGH_FILES}" if not 0 <= hard < ENOUGH_FILES else ""
    advice = f"in the service's systemd unit, under [Service]: LimitNOFILE=65536{here}"
    found = f"at most {soft}; each connection takes one, {ENOUGH_FILES} are recommended"
    return problem(FILES, found, advice) if soft < LEAST_FILES else warning(FILES, found, advice)
