"""An import's results: a report file for programs, a summary for people."""

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import orjson

from coverproxy.cli.lists import INTERRUPTED
from coverproxy.config import Config
from coverproxy.domain.counted import counted
from coverproxy.storage import ownership

if TYPE_CHECKING:
    from coverproxy.originals.examine import Refusal
    from coverproxy.service.import_results import ImportReport


def report_path(config: Config) -> Path:
    """Name a report in the data folder that no other run writes."""
    name = f"{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 10**9:09d}-refused.jsonl"
    return Path(config.data.dir, "imports", name)


class Refusals:
    """The machine-readable report: a JSON line for each refusal, in a file made with the first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: TextIO | None = None

    def note(self, refusal: "Refusal") -> None:
        """Write one refusal."""
        if self._file is None:
            ownership.make_folder(self.path.parent)
            handle = ownership.opened(self.path, os.O_WRONLY | os.O_TRUNC)
            self._file = os.fdopen(handle, "w", encoding="utf-8")
        told = {name: value for name, value in asdict(refusal).items() if value or name != "place"}
        line = {name: value.encode(errors="replace").decode() for name, value in told.items()}
        self._file.write(orjson.dumps(line).decode() + "\n")
        self.count += 1

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file:
            self._file.close()


def summary(report: "ImportReport", where: Path | None) -> str:
    """Describe an import's result in a few lines."""
    refused = report.refused.total()
    lines = [
        f"{counted(report.seen, 'file')}: {counted(report.added, 'cover')} added "
        f"({report.bytes / 1e6:.1f} MB), {report.already} already there, {refused} refused"
    ]
    lines += [f"  {count:7}  {reason}" for reason, count in report.refused.most_common()]
    lines += _changes(report)
    if where:
        lines.append(f"Refusals with reasons, as JSON lines: {where}")
    if report.unremoved:
        lines.append(f"{report.unremoved}; until then they are shown: coverproxy doctor says what to do")
    if report.interrupted:
        lines.append(INTERRUPTED)
    return "\n".join(lines)


def _changes(report: "ImportReport") -> list[str]:
    """Say what else an import changed, or left as it was."""
    lines = []
    if report.replaced:
        lines.append(f"{report.replaced} replaced earlier ones of the same book")
    if report.withdrawn:
        lines.append(f"{counted(report.withdrawn, 'cover')} taken back by the sender")
    if report.passed:
        lines.append(f"{counted(report.passed, 'record')} passed over: not a word on covers, or not yet")
    if report.linked:
        lines.append(f"{counted(report.linked, 'link')} to other editions")
    if report.damaged:
        what = "is damaged and is" if report.damaged == 1 else "are damaged and are"
        lines.append(f"{report.damaged} of them {what} not shown: coverproxy originals corrupt lists them")
    if report.lesser:
        what = "is not the best of its book" if report.lesser == 1 else "are not the best of their books"
        lines.append(
            f"{report.lesser} of them {what}, so another is shown: see coverproxy cover ISBN, and choose with"
            " coverproxy originals pin ISBN DIGEST"
        )
    return lines
