"""The running nginx, whose workers must be allowed to open as many files as the config has them keep."""

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
"""Debian's nginx.conf includes this folder at its top: what lies there stands outside of http."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many files a process may open, and how far it may raise that by itself."""

    process: int
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx: its master, and the workers that take connections."""

    master: Limit
    workers: tuple[Limit, ...]

    @property
    def lowest(self) -> Limit:
        """The limit that counts: the lowest of a worker. worker_rlimit_nofile leaves the master's."""
        return min(self.workers or (self.master,), key=lambda limit: limit.soft)


def certificates(front: Front) -> Iterator[Finding]:
    """Look for the certificate and its key, without which nginx does not start."""
    if front.tls == "off":
        return
    for name in ("certificate", "certificate_key"):
        path = Path(getattr(front, name))
        try:
            is_there = path.stat().st_size > 0
        except PermissionError:
            told = f"front.{name}: {path} cannot be looked at by this user"
            yield warning(CERTIFICATE, told, "run coverproxy check-config as root")
            continue
        except OSError:
            is_there = False
        if is_there:
            yield fine(CERTIFICATE, f"front.{name}: {path} is there")
        else:
            told = f'front.{name}: {path} is not there, and front.tls = "{front.tls}": nginx does not start'
            advice = 'certbot certonly --webroot, see docs/operate.md; until then front.tls = "off"'
            yield problem(CERTIFICATE, told, advice)


def look(open_files: int, proc: Path = PROC) -> Iterator[Finding]:
    """Judge every nginx that runs here, as front.open_files asks for *open_files*; 0 asks for nothing."""
    if not open_files:
        yield fine(FILES, "none is kept open (front.open_files = 0): no limit needs to be raised")
        return
    found = running(proc)
    if not found:
        needed = files_needed(open_files)
        told = f"front.open_files = {open_files} needs a limit of {needed}, and no nginx runs here"
        yield warning(FILES, told, "start nginx and run the doctor again, on the machine that nginx runs on")
    for each in found:
        yield judged(each, open_files)


def judged(nginx: Nginx, open_files: int) -> Finding:
    """Judge one nginx: too low a limit answers 500 to everybody once so many covers were asked for."""
    needed, limit = files_needed(open_files), nginx.lowest
    who = (
        f"nginx {nginx.master.process}: its worker {limit.process}"
        if nginx.workers
        else f"nginx {limit.process}"
    )
    if limit.soft >= needed:
        return fine(FILES, f"{who} may open {_number(limit.soft)}; {needed} are needed")
    told = (
        f"{who} may open {limit.soft}, and front.open_files = {open_files} needs {needed}: it will answer 500"
    )
    lower = "or set front.open_files = 0 and print nginx-conf anew"
    raised = f"put `worker_rlimit_nofile {needed};` into {_SETTINGS} (elsewhere: nginx.conf, outside of http)"
    if nginx.master.hard >= needed:
        return problem(FILES, told, f"{raised}, then systemctl reload nginx; {lower}")
    told += f"; its master's hard limit is {nginx.master.hard}, lower than that"
    unit = f"systemctl edit nginx: [Service] LimitNOFILE={needed} (a container: --ulimit nofile={needed})"
    return problem(FILES, told, f"{unit}; {raised}; then systemctl restart nginx; {lower}")


def running(proc: Path = PROC) -> list[Nginx]:
    """Find every nginx that runs here. What ends meanwhile, or is hidden from us, is left out."""
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
    """Read a process's limits. Raises ValueError where they do not look as Linux writes them."""
    found = re.search(r"^Max open files +(\S+) +(\S+)", (folder / "limits").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{folder}/limits has no line of open files")
    soft, hard = (_ENDLESS if word == "unlimited" else int(word) for word in found.groups())
    return Limit(int(folder.name), soft, hard)


def _number(limit: int) -> str:
    return "any number" if limit >= _ENDLESS else str(limit)
