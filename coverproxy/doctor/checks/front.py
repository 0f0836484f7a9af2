"""The running nginx: checks that its workers may open as many files as the config needs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coverproxy.config import Front
from coverproxy.deploy.nginx import files_needed
from coverproxy.doctor.checks.finding import Finding, fine, problem, warning

FILES = "nginx's open files"
CERTIFICATE = "certificate"

PROC = Path("/proc")

_ENDLESS = 2**63
_SETTINGS = "/etc/nginx/modules-enabled/90-coverproxy.conf"
"""Debian's nginx.conf includes the files in this folder at its top, outside of http."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many files a process may open, and how far it may raise that itself."""

    process: int
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx: its master, and the workers that accept connections."""

    master: Limit
    workers: tuple[Limit, ...]

    @property
    def lowest(self) -> Limit:
        """The effective limit: the lowest of any worker.

        worker_rlimit_nofile does not change the master's.
        """
        return min(self.workers or (self.master,), key=lambda limit: limit.soft)


def certificates(front: Front) -> Iterator[Finding]:
    """Check the certificate and its key, without which nginx does not start."""
    if front.tls == "off":
        return
    for name in ("certificate", "certificate_key"):
        path = Path(getattr(front, name))
        try:
            is_there = path.stat().st_size > 0
        except PermissionError:
            told = f"front.{name}: {path} is not accessible to this user"
            yield warning(CERTIFICATE, told, "run coverproxy check-config as root")
            continue
        except OSError:
            is_there = False
        if is_there:
            yield fine(CERTIFICATE, f"front.{name}: {path} exists")
        else:
            told = f'front.{name}: {path} does not exist, but front.tls = "{front.tls}": nginx does not start'
            advice = 'certbot certonly --webroot, see docs/operate.md; until then front.tls = "off"'
            yield problem(CERTIFICATE, told, advice)


def look(open_files: int, proc: Path = PROC) -> Iterator[Finding]:
    """Check every running nginx against front.open_files = *open_files*; 0 needs nothing."""
    if not open_files:
        yield fine(FILES, "nginx keeps none open (front.open_files = 0), so no limit needs raising")
        return
    found = running(proc)
    if not found:
        needed = files_needed(open_files)
        told = f"front.open_files = {open_files} needs a limit of {needed}, but no nginx runs here"
        yield warning(FILES, told, "start nginx and run the doctor again, on nginx's machine")
    for each in found:
        yield judged(each, open_files)


def judged(nginx: Nginx, open_files: int) -> Finding:
    """Check one nginx: with too low a limit it answers 500 to everybody after enough different covers."""
    needed, limit = files_needed(open_files), nginx.lowest
    who = (
        f"nginx {nginx.master.process}: its worker {limit.process}"
        if nginx.workers
        else f"nginx {limit.process}"
    )
    if limit.soft >= needed:
        return fine(FILES, f"{who} may open {_number(limit.soft)} files; {needed} are needed")
    told = (
        f"{who} may open {limit.soft} files, but front.open_files = {open_files} needs {needed}:"
        " it will answer 500"
    )
    lower = "or set front.open_files = 0 and run nginx-conf again"
    raised = f"put `worker_rlimit_nofile {needed};` into {_SETTINGS} (elsewhere: nginx.conf, outside of http)"
    if nginx.master.hard >= needed:
        return problem(FILES, told, f"{raised}, then systemctl reload nginx; {lower}")
    told += f"; its master's hard limit, {nginx.master.hard}, is lower"
    unit = f"systemctl edit nginx: [Service] LimitNOFILE={needed} (a container: --ulimit nofile={needed})"
    return problem(FILES, told, f"{unit}; {raised}; then systemctl restart nginx; {lower}")


def running(proc: Path = PROC) -> list[Nginx]:
    """Find every running nginx. Skips processes that end meanwhile, or are hidden from us."""
    masters: dict[int, Limit] = {}
    workers: list[tuple[int, Limit]] = []
    for folder in proc.glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
            if title.startswith(b"nginx: master"):
                masters[int(folder.name)] = _limit(folder)
            elif title.startswith(b"nginx: worker process") and b"shutting down" not in title:
                workers.append((_parent(folder), _limit(folder)))
        except (OSError, ValueError):
            continue
    return [
        Nginx(limit, tuple(each for parent, each in workers if parent == process))
        for process, limit in sorted(masters.items())
    ]


def _parent(folder: Path) -> int:
    return int((folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])


def _limit(folder: Path) -> Limit:
    """Read a process's limits. Raises ValueError if they are not in Linux's format."""
    found = re.search(r"^Max open files +(\S+) +(\S+)", (folder / "limits").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{folder}/limits has no line for open files")
    soft, hard = (_ENDLESS if word == "unlimited" else int(word) for word in found.groups())
    return Limit(int(folder.name), soft, hard)


def _number(limit: int) -> str:
    return "any number" if limit >= _ENDLESS else str(limit)
