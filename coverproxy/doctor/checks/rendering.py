"""Render processes: starts one as the service does, confined, and lets it render a picture."""

from collections.abc import Iterator
from contextlib import closing

from coverproxy.config import Config
from coverproxy.doctor.checks.finding import Finding, fine, problem, warning
from coverproxy.domain.errors import CoverError
from coverproxy.imaging.decoder import render_processes
from coverproxy.imaging.render_processes import RenderProcesses
from coverproxy.imaging.sandbox import Confinement

PROCESSES = "render processes"


def look(config: Config) -> Iterator[Finding]:
    """Start one and report its confinement."""
    with closing(render_processes(config, 1)) as processes:
        yield _tried(processes)


def _tried(processes: RenderProcesses) -> Finding:
    try:
        processes.start()
    except CoverError as exc:
        advice = "if it ran out of memory, raise limits.max_decoded_bytes; otherwise reinstall coverproxy"
        return problem(PROCESSES, f"covers cannot be made: {exc}", advice)
    in_force = processes.confinement
    assert in_force is not None  # noqa: S101 - it has started
    return _judged(in_force)


def _judged(in_force: Confinement) -> Finding:
    if not in_force.landlock and not in_force.seccomp:
        advice = "use a Linux kernel with landlock (5.13 or later), or install libseccomp2"
        return warning(PROCESSES, in_force.text, advice)
    return fine(PROCESSES, in_force.text)
