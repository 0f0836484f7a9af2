"""Reads a feed's files one after the other, each from where it was left, and remembers its progress."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from coverproxy.domain.list_text import NotAList
from coverproxy.feeds.kinds import HEAD_BYTES, FileKind, kind_of
from coverproxy.feeds.record import FeedUnreadable
from coverproxy.originals.base import CatalogueTables
from coverproxy.originals.examine import Refusal
from coverproxy.originals.feed_store import FeedFile
from coverproxy.service.import_file import is_named_by_isbn, offered
from coverproxy.service.import_folder import files, named_by_isbn
from coverproxy.service.import_results import Entered, ImportReport, Result
from coverproxy.service.import_steps import Passed, Sender, Step, Withdrawal
from coverproxy.service.importer import Importer
from coverproxy.storage import bounded_read

DONE, REFUSED = "done", "refused"
"""Folders within a feed's own that files are moved to, where the operator wants that."""

_UNFINISHED = (".part", ".tmp", ".filepart", ".crdownload", ".partial", ".upload")
"""How names end while a program still writes the file."""

_RETRY_SECONDS = 3600
_RETRIED_SECONDS = 7 * 86_400
"""A picture that cannot be had is tried again each hour, until the file that names it is a week old."""


@dataclass(frozen=True, slots=True)
class FeedRules:
    """How a feed's folder is dealt with.

    `is_moved`: files that are done go into folders beside; else they are only remembered. `full`: patterns of
    names of full loads: what one does not name any more is withdrawn, up to the share `most_withdrawn`.
    """

    is_moved: bool = False
    full: tuple[str, ...] = ()
    most_withdrawn: float = 0.1


@dataclass
class FeedReport:
    """What a run did: in all, and by file. `unread`: files that are nothing that is read."""

    total: ImportReport = field(default_factory=ImportReport)
    files: dict[str, ImportReport] = field(default_factory=dict)
    unread: int = 0


class FeedRun:
    """Reads the files of one sender. Blocks; `alone` keeps all other processes from the same meanwhile.

    `on_batch` gets the file's name and how far it is. `now`: seconds since 1970.
    """

    def __init__(
        self, importer: Importer, sender: Sender, rules: FeedRules, on_refusal: Callable[[Refusal], None],
        on_batch: Callable[[str, int], None], alone: Callable[[], AbstractContextManager[None]] = nullcontext,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._importer = importer
        self._feeds = importer.catalogue.feeds
        self._sender = sender
        self._rules = rules
        self._on_refusal = on_refusal
        self._on_batch = on_batch
        self._alone = alone
        self._now = now

    def waiting(self, folder: Path) -> Iterator[Path]:
        """Yield the files of a folder that are not read yet, or are to be read again."""
        for each in files(folder, self._sender.data):
            if isinstance(each, Refusal):
                self._on_refusal(each)
            elif not self._is_set_aside(each, folder) and not self._is_read(each, folder):
                yield each

    def run(self, folder: Path, paths: Iterable[Path]) -> FeedReport:
        """Read these files of a folder: loose pictures, then zips, then what may take something back."""
        report = FeedReport()
        with self._alone():
            # another process may have read some meanwhile
            pictures, others = _sorted(each for each in paths if self._is_there(each, folder))
            named = [path for path in pictures if is_named_by_isbn(path)]
            if named:
                self._read_pictures(folder, named, report)
            for path in others:
                if report.total.interrupted:
                    break
                self._read(folder, path, report)
            if not report.total.interrupted:
                self._set_aside(folder, pictures, named)
        return report

    def _set_aside(self, folder: Path, pictures: list[Path], named: list[Path]) -> None:
        """Move pictures that are done. Those that only a list can name are remembered, and stay for it."""
        if self._rules.is_moved:
            for path in named:
                known = self._feeds.file(self._sender.source, _name(path, folder))
                self._move(path, folder, REFUSED if known and known.note else DONE)
        for path in set(pictures) - set(named):
            self._feeds.note_file(replace(self._begun(path, folder), ended=int(self._now())))

    def _is_there(self, path: Path, folder: Path) -> bool:
        return path.exists() and not self._is_read(path, folder)

    def _is_set_aside(self, path: Path, folder: Path) -> bool:
        is_moved = self._rules.is_moved and path.relative_to(folder).parts[0] in (DONE, REFUSED)
        return is_moved or path.name.lower().endswith(_UNFINISHED)

    def _is_read(self, path: Path, folder: Path) -> bool:
        known = self._feeds.file(self._sender.source, _name(path, folder))
        return known is not None and known.is_read(stamp_of(path), self._now())

    def _read_pictures(self, folder: Path, paths: list[Path], report: FeedReport) -> None:
        """Take in pictures of which only their names say whose they are, each remembered as done."""

        def note(tables: CatalogueTables, results: Sequence[Result]) -> None:
            for each in results:
                path = each.candidate.path if isinstance(each, Entered) else Path(getattr(each, "path", "."))
                refused = each.detail if isinstance(each, Refusal) else ""
                done = self._begun(path, folder)
                tables.feeds.note_file(
                    replace(done, done=1, ended=int(self._now()), added=int(not refused),
                            refused=int(bool(refused)), note=refused)
                )  # fmt: skip

        def told(found: ImportReport) -> None:
            self._on_batch(f"{len(paths)} pictures", found.seen)

        steps = (named_by_isbn(path, self._sender) for path in paths)
        found = self._importer.run(steps, told, note)
        _add(report, "pictures", found)

    def _begun(self, path: Path, folder: Path) -> FeedFile:
        now = int(self._now() * 1000)
        return FeedFile(self._sender.source, _name(path, folder), stamp_of(path), started=now)

    def _read(self, folder: Path, path: Path, report: FeedReport) -> None:
        """Read one file on from where it was left."""
        name, sender = _name(path, folder), replace(self._sender, now=int(self._now()))
        known, begun = self._feeds.file(sender.source, name), self._begun(path, folder)
        if known and known.stamp == begun.stamp and known.ended is None:
            begun = known
        try:
            steps = islice(offered(path, sender), begun.done, None)
        except (NotAList, OSError) as exc:
            self._refuse(path, begun, str(exc), report)
            self._move_if_asked(path, folder, REFUSED)
            return
        tally = _Tally(begun)
        found = self._importer.run(
            steps, lambda each: self._on_batch(name, tally.file.done), tally.note, started=begun.started
        )
        _add(report, name, found)
        if not found.interrupted:
            self._end(folder, path, tally, report)

    def _refuse(self, path: Path, begun: FeedFile, why: str, report: FeedReport) -> None:
        report.unread += 1
        report.total.seen += 1
        report.total.refused["unreadable"] += 1
        self._on_refusal(Refusal(str(path), "", "unreadable", why, str(path)))
        self._feeds.note_file(replace(begun, ended=int(self._now()), refused=1, note=why))

    def _end(self, folder: Path, path: Path, tally: "_Tally", report: FeedReport) -> None:
        """Withdraw what a full load does not name any more, and note that the file is read."""
        if any(path.match(each) for each in self._rules.full) and not tally.is_broken:
            self._withdraw_unseen(path, tally.file.started, report)
        now, again = int(self._now()), tally.again
        if tally.is_incomplete and now - path.stat().st_mtime < _RETRIED_SECONDS:
            again = min(again or now + _RETRY_SECONDS, now + _RETRY_SECONDS)
        self._feeds.note_file(replace(tally.file, ended=now, again=again, note=tally.why))
        if again is None:
            self._move_if_asked(path, folder, DONE)

    def _withdraw_unseen(self, path: Path, since: int, report: FeedReport) -> None:
        source = self._sender.source
        total = self._feeds.count(source)
        most = int(total * self._rules.most_withdrawn)
        gone = self._feeds.unseen(source, since, most + 1)
        if len(gone) > most:
            why = (
                f"the full load would take back more than {self._rules.most_withdrawn:.0%} of {total}"
                " pictures (most_withdrawn): none is"
            )
            self._on_refusal(Refusal(str(path), "", "full", why, str(path)))
            report.total.refused["full"] += 1
            return
        why = f"the full load {path.name} does not name it any more"
        steps: Iterator[Step] = (
            Withdrawal(source, each.reference, (each.identifier,), why, str(path)) for each in gone
        )
        _add(report, f"{path.name}: not named any more", self._importer.run(steps, lambda each: None))

    def _move_if_asked(self, path: Path, folder: Path, where: str) -> None:
        if self._rules.is_moved:
            self._move(path, folder, where)

    def _move(self, path: Path, folder: Path, where: str) -> None:
        """Move a file that is done; one that is there already by that name is replaced."""
        aim = folder / where / path.relative_to(folder)
        aim.parent.mkdir(parents=True, exist_ok=True)
        path.replace(aim)


@dataclass
class _Tally:
    """How far a file is, written in each batch's own transaction.

    `again`: when pictures of it may be shown. `is_incomplete`: some could not be had. `is_broken`: the file
    itself cannot be read to its end, and `why`.
    """

    file: FeedFile
    again: int | None = None
    is_incomplete: bool = False
    is_broken: bool = False
    why: str = ""

    def note(self, tables: CatalogueTables, results: Sequence[Result]) -> None:
        """Count a batch."""
        for each in results:
            if isinstance(each, Passed) and each.again is not None:
                self.again = min(self.again or each.again, each.again)
            elif isinstance(each, Refusal):
                self._note_refusal(each)
        added = sum(isinstance(each, Entered) and not each.is_known for each in results)
        refused = sum(isinstance(each, Refusal) for each in results)
        self.file = replace(
            self.file, done=self.file.done + len(results), added=self.file.added + added,
            refused=self.file.refused + refused,
        )  # fmt: skip
        tables.feeds.note_file(self.file)

    def _note_refusal(self, refusal: Refusal) -> None:
        if refusal.path == refusal.place and refusal.reason == "unreadable":
            self.is_broken, self.why = True, refusal.detail
        elif refusal.reason in ("unreadable", "fetch"):
            self.is_incomplete = True


def stamp_of(path: Path) -> str:
    """Return the identity of the file under a name; "" if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size}:{status.st_mtime_ns}"


def _name(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)).encode("utf-8", "backslashreplace").decode()


def _sorted(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Part loose pictures from other files; zips before what may take something back, then by age."""
    pictures, others = [], []
    for path in paths:
        if (kind := _kind(path)) is FileKind.PICTURE:
            pictures.append(path)
        else:
            others.append(
                (kind is not FileKind.ZIP, stamp_of(path).partition(":")[2].zfill(24), str(path), path)
            )
    return pictures, [path for *_, path in sorted(others)]


def _kind(path: Path) -> FileKind | None:
    try:
        return kind_of(bounded_read.read(path, HEAD_BYTES)[0])
    except (FeedUnreadable, OSError):
        return None


def _add(report: FeedReport, name: str, found: ImportReport) -> None:
    """Count what one file brought."""
    report.files[name] = found
    add_up(report.total, found)


def add_up(total: ImportReport, found: ImportReport) -> None:
    """Add what one run brought to the total of several."""
    for each in ("seen", "added", "already", "replaced", "lesser", "passed", "withdrawn", "linked", "bytes"):
        setattr(total, each, getattr(total, each) + getattr(found, each))
    total.refused.update(found.refused)
    total.interrupted = total.interrupted or found.interrupted
    total.unremoved = found.unremoved
