"""The databases, and whether the files that they list exist."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from coverproxy.accounts.nginx_links import KeyLinks
from coverproxy.accounts.sqlite import schema_steps as state_steps
from coverproxy.cache.layout import Layout
from coverproxy.doctor.checks.finding import Finding, Level, fine, problem, warning
from coverproxy.domain.api_key import Key, is_name
from coverproxy.domain.counted import agreeing, counted
from coverproxy.domain.moment import iso
from coverproxy.originals.base import Catalogue
from coverproxy.originals.files import OriginalFiles
from coverproxy.originals.sqlite_mend import mend as mend_catalogue
from coverproxy.originals.sqlite_mend import schema_steps as catalogue_steps
from coverproxy.sources.sqlite import schema_steps as source_steps
from coverproxy.storage import sqlite_examine, sqlite_migrations, sqlite_watch
from coverproxy.wiring.stores import StateStore

SAMPLE = 100

_LOCKED_SECONDS = 2.0

SOURCES = "sources.db"

SCHEMAS: dict[str, tuple[Callable[[], Sequence[str]], sqlite_migrations.Mend | None]] = {
    "catalogue.db": (catalogue_steps, mend_catalogue),
    "state.db": (state_steps, None),
    SOURCES: (source_steps, None),
}

DATABASE, ORIGINALS, LINKS, QUARANTINE = "database", "originals", "key links", "quarantine"


def databases(data: Path) -> Iterator[Finding]:
    """Open every database as the service does, on a copy of its schema; check the small ones fully."""
    for name, (steps, mend) in SCHEMAS.items():
        if (data / name).exists():
            yield _database(data / name, steps(), mend)


def damaged(data: Path) -> str:
    """Return which database of a folder is unusable for this version, and why; "" if none is."""
    return next((each.found for each in databases(data) if each.level is Level.PROBLEM), "")


def _database(path: Path, steps: Sequence[str], mend: sqlite_migrations.Mend | None) -> Finding:
    advice = f"stop the service and restore {path} from a backup, or: {sqlite_examine.recover_command(path)}"
    if path.name == SOURCES:
        advice = f"it holds nothing permanent: the service moves {path} aside at its next start"
    found = sqlite_examine.examine(path)
    if found.damage:
        return _damage(path, found.damage, advice)
    if found.is_locked:
        return _locked(path)
    if told := sqlite_watch.newer(path, len(steps)):
        return problem(DATABASE, told, "update coverproxy on this machine")
    if why := sqlite_examine.trouble(path, steps, mend):
        return problem(DATABASE, f"{path} cannot be opened by this version: {why}", advice)
    if found.version == 0:
        return problem(DATABASE, f"{path} is empty: it has no tables", advice)
    return _unwritable(path) or _sound(path, found)


def _sound(path: Path, found: sqlite_examine.DatabaseState) -> Finding:
    sound = "sound" if found.is_checked_through else "readable (too large for a full check)"
    return fine(DATABASE, f"{path} is {sound}")


def _unwritable(path: Path) -> Finding | None:
    """Report a file that cannot be written, for now or at all."""
    try:
        return _locked(path) if _is_stuck(path) else None
    except sqlite_watch.DatabaseUnusable as exc:
        told = f"{path} cannot be written: {exc}"
    return problem(DATABASE, told, "make it, and its folder, writable for the user that runs the service")


def _locked(path: Path) -> Finding:
    return problem(DATABASE, sqlite_watch.lock_told(path), "end that process, or what it does in the file")


def _damage(path: Path, said: str, advice: str) -> Finding:
    if os.access(path.parent, os.W_OK):
        return problem(DATABASE, f"{path} is damaged: {said}", advice)
    # not damaged for all we know: SQLite opens no write-ahead log there
    told = f"{path} cannot be looked into while {path.parent} cannot be written"
    return problem(DATABASE, told, "make the folder writable, or run the doctor as the service's user")


def _is_stuck(path: Path) -> bool:
    """Return whether one transaction keeps others from writing for two seconds. Raises DatabaseUnusable."""
    began, stamp = time.monotonic(), sqlite_watch.locked(path)
    while stamp is not None and time.monotonic() - began < _LOCKED_SECONDS:
        time.sleep(0.1)
        if sqlite_watch.locked(path) != stamp:
            return False
    return stamp is not None


def originals(catalogue: Catalogue, files: OriginalFiles, *, is_there: bool) -> Iterator[Finding]:
    """Check that the files of a sample of originals exist. *is_there*: the catalogue was made."""
    if not is_there:
        yield warning(ORIGINALS, "there are none yet", "coverproxy import FOLDER")
        return
    found = catalogue.sample(SAMPLE)
    gone = [original for original in found if not files.has(original)]
    if not found:
        yield warning(ORIGINALS, "the catalogue is empty", "coverproxy import FOLDER")
    elif gone:
        are = agreeing(len(gone), "is", "are")
        told = f"{len(gone)} of {len(found)} checked {are} missing or changed, such as {files.path(gone[0])}"
        advice = "is a disk not mounted? Otherwise import them again: existing ones are skipped"
        yield problem(ORIGINALS, told, advice)
    else:
        yield fine(ORIGINALS, f"{counted(len(found), 'file')} checked, none missing")
    if held := catalogue.quarantined():
        latest = f"the latest since {iso(held[0].at)}: {held[0].reason}"
        advice = "coverproxy originals quarantined lists them, coverproxy originals release releases one"
        yield warning(QUARANTINE, f"{counted(len(held), 'picture')} in quarantine, {latest}", advice)


def key_links(state: StateStore, layout: Layout, *, is_there: bool) -> Iterator[Finding]:
    """Check that exactly the open keys have links: nginx knows keys only by them."""
    keys, now = asyncio.run(_keys(state)) if is_there else [], time.time()
    if not keys and (lost := KeyLinks(layout.by_key).lost()):
        yield problem(LINKS, *lost.split(": ", 1))
        return
    if not is_there:
        yield warning(LINKS, "there are no keys yet", "coverproxy key create --label NAME")
        return
    wanted = {key.name for key in keys if key.is_open(now)}
    present = {path.name for path in layout.by_key.glob("*") if is_name(path.name)}
    advice = "any key command repairs them: coverproxy key list"
    if missing := wanted - present:
        yield problem(LINKS, f"{_count(missing)} no link: nginx serves nothing for it", advice)
    if extra := present - wanted:
        yield problem(LINKS, f"{_count(extra)} a link that should not exist: nginx still serves it", advice)
    astray = [name for name in wanted & present if not (layout.by_key / name / ".").is_dir()]
    if astray:
        told = f"{_count(astray)} a broken link"
        yield problem(LINKS, told, f"remove all in {layout.by_key}, then coverproxy key list")
    if not (missing or extra or astray):
        yield fine(LINKS, f"{counted(len(keys), 'key')}, {len(wanted)} open to nginx, each with its link")


def _count(names: "set[str] | list[str]") -> str:
    return counted(len(names), "key has", "keys have")


async def _keys(state: StateStore) -> list[Key]:
    await state.open()
    try:
        return await state.keys()
    finally:
        await state.close()
