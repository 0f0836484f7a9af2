"""What tests cost: `--cost 20` names those that took the most CPU time, which other work does not change.

The processes that a test has started and waited for count as its own. Seconds on the clock: `--durations 20`.
"""

import os
from collections import Counter
from collections.abc import Generator

import pytest
from forked import Nursery

_CPU = "cpu_seconds"
_before = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """See pytest."""
    parser.addoption("--cost", type=int, default=0, metavar="N", help="name the N tests of most CPU time")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin to count."""
    session.config.stash[_before] = spent()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what a step of a test took, where its report brings it to the process that prints."""
    report = yield
    now = spent()
    report.user_properties.append((_CPU, now - item.config.stash[_before]))
    item.config.stash[_before] = now
    return report


def spent() -> float:
    """Return the CPU seconds of this process and of those that it has waited for."""
    return sum(os.times()[:4]) + Nursery.spent


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the costliest."""
    if not (most := terminalreporter.config.getoption("cost")):
        return
    costs: Counter[str] = Counter()
    for report in (each for some in terminalreporter.stats.values() for each in some):
        for name, value in getattr(report, "user_properties", ()):
            if name == _CPU:
                costs[report.nodeid] += value
    terminalreporter.section(f"{costs.total():.0f} s of CPU time in {len(costs)} tests; the most")
    for node, seconds in costs.most_common(most):
        terminalreporter.write_line(f"{seconds:7.2f} s {node}")
