"""What the databases say, and whether the files they speak of are there."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from coverproxy.accounts.sqlite import SqliteState
from coverproxy.accounts.sqlite import schema_steps as state_steps
from coverproxy.cache.layout import Layout
from coverproxy.doctor.checks.finding import Finding, fine, problem, warning
from coverproxy.domain.api_key import Key, is_name
from coverproxy.domain.original import Original
from coverproxy.originals.files import OriginalFiles
from coverproxy.originals.sqlite import Catalogue
from coverproxy.originals.sqlite import schema_steps as catalogue_steps

SAMPLE = 100
CHECKED_BYTES = 100_000_000
"""A larger database is only opened: checking it would take minutes, and push other pages out of memory."""

DATABASE, ORIGINALS, LINKS = "database", "originals", "key links"


def databases(data: Path) -> Iterator[Finding]:
    """Open every database, and check the small ones through."""
    newest = {"catalogue.db": len(catalogue_steps()), "state.db": len(state_steps())}
    for name, version in newest.items():
        if (data / name).exists():
            yield _database(data / name, version)


def _database(path: Path, newest: int) -> Finding:
    advice = f"stop the service and restore {path} from a backup, or: sqlite3 {path} .recover"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            is_small = path.stat().st_size < CHECKED_BYTES
            said = database.execute("PRAGMA quick_check(1)").fetchone()[0] if is_small else "ok"
    except sqlite3.Error as exc:
        return problem(DATABASE, f"{path} cannot be read: {exc}", advice)
    if said != "ok":
        return problem(DATABASE, f"{path} is damaged: {said}", advice)
    if version > newest:
        return problem(DATABASE, f"{path} was made by a newer version", "update coverproxy on this machine")
    return fine(DATABASE, f"{path} is {'sound' if is_small else 'readable (too large to check through)'}")


def originals(data: Path, catalogue: Catalogue, files: OriginalFiles) -> Iterator[Finding]:
    """Look whether the files of some originals are there, taken evenly from all."""
    if not (data / "catalogue.db").exists():
        yield warning(ORIGINALS, "there are none yet", "coverproxy import FOLDER")
        return
    found = list(_sample(data / "catalogue.db", catalogue))
    gone = [original for original in found if not files.has(original)]
    if not found:
        yield warning(ORIGINALS, "the catalogue is empty", "coverproxy import FOLDER")
    elif gone:
        told = f"{len(gone)} of {len(found)} looked at are gone or changed, as {files.path(gone[0])}"
        advice = "is a disk not mounted? Else import them anew: what is there already is skipped"
        yield problem(ORIGINALS, told, advice)
    else:
        yield fine(ORIGINALS, f"the files of all {len(found)} looked at are there")


def _sample(path: Path, catalogue: Catalogue) -> Iterator[Original]:
    """Take at most SAMPLE originals, evenly by digest: of no one publisher, and without a walk."""
    after = "SELECT digest FROM original WHERE digest >= ? ORDER BY digest LIMIT ?"
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as database:
        digests = [row[0] for row in database.execute(after, (b"", SAMPLE))]
        if len(digests) == SAMPLE:
            points = (((1 << 16) * step // SAMPLE).to_bytes(2) for step in range(SAMPLE))
            rows = (database.execute(after, (point, 1)).fetchone() for point in points)
            digests = [row[0] for row in rows if row]
    for digest in dict.fromkeys(digests):
        yield from catalogue.with_digest(digest, most=1)


def key_links(data: Path, layout: Layout) -> Iterator[Finding]:
    """Look whether each open key has its link, and nobody else: nginx knows keys by nothing else."""
    if not (data / "state.db").exists():
        yield warning(LINKS, "there are no keys yet", "coverproxy key create --label NAME")
        return
    keys, now = asyncio.run(_keys(data / "state.db")), time.time()
    wanted = {key.name for key in keys if key.is_open(now)}
    present = {path.name for path in layout.by_key.glob("*") if is_name(path.name)}
    advice = "any key command brings them in line: coverproxy key list"
    if missing := wanted - present:
        yield problem(LINKS, f"{_count(missing)} no link: nginx serves nothing for it", advice)
    if extra := present - wanted:
        yield problem(LINKS, f"{_count(extra)} a link that should not be: nginx serves it still", advice)
    astray = [name for name in wanted & present if not (layout.by_key / name / ".").is_dir()]
    if astray:
        told = f"{_count(astray)} a link that leads nowhere"
        yield problem(LINKS, told, f"remove all in {layout.by_key}, then coverproxy key list")
    if not (missing or extra or astray):
        yield fine(LINKS, f"{len(keys)} keys, {len(wanted)} of them open to nginx, all with their links")


def _count(names: "set[str] | list[str]") -> str:
    return f"{len(names)} key{' has' if len(names) == 1 else 's have'}"


async def _keys(path: Path) -> list[Key]:
    state = SqliteState(path)
    await state.open()
    try:
        return await state.keys()
    finally:
        await state.close()
