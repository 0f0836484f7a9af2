"""Adopts a cache of layout v1 by renames: nothing is lost or rendered again."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from coverproxy.cache.layout import VERSION, Layout
from coverproxy.domain import schemes
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import ISBN, Identifier, Spec
from coverproxy.storage import ownership

_V1 = "v1"
_ASIDE = "v1-taken-over"

_NAME = re.compile(rf"([0-9]{{13}}|[0-9]{{9}}[0-9X])\.({'|'.join(form.value for form in Format)})")


class FormerLayout:
    """The rest of a cache of layout v1: `img/<revision>/<size>/<a>/<b>/<isbn>.<ending>`. Blocks.

    One process adopts everything in the background. Until that is done, every process that misses a
    derivative looks here and adopts that one. Every step may be repeated, so a crash does no harm.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._aside = layout.root / _ASIDE
        self._images = self._aside / "img"
        self._is_over = False

    def set_aside(self) -> None:
        """Move the former cache aside, once, and put a link to the present one in its place.

        A web server that still has the former configuration then finds no hits, asks the app for each, and
        sends the files that the app names. It also no longer finds the former links of revoked keys.
        """
        self._is_over = False
        former = self._layout.root / _V1
        if former.is_dir() and not former.is_symlink() and not self._aside.exists():
            former.rename(self._aside)
            if (self._aside / "held").exists() and not self._layout.held.exists():
                self._aside.joinpath("held").rename(self._layout.held)
        if self._aside.is_dir() and not former.exists():
            with suppress(FileExistsError):
                former.symlink_to(VERSION)
                ownership.hand_over_link(former)

    @property
    def is_there(self) -> bool:
        """Whether there may be anything left to adopt. Nothing comes back but by set_aside()."""
        self._is_over = self._is_over or not self._images.is_dir()
        return not self._is_over

    def paths(self, identifier: Identifier) -> Iterator[Path]:
        """Yield every path here that a derivative of *identifier* can have, other spellings first."""
        if identifier.scheme != ISBN:
            return
        for folder in self._images.glob("*/*"):
            yield from self._names(folder, identifier)

    def take_over(self, spec: Spec) -> bool:
        """Adopt one derivative, in every revision that has it; return whether any had."""
        if spec.identifier.scheme != ISBN or not self.is_there:
            return False
        found = False
        for folder in self._images.glob(f"*/{spec.size}"):
            for path in self._names(folder, spec.identifier, spec.format):
                found = self._move(path, spec.format) or found
        return found

    def shards(self) -> Iterator[Path]:
        """Yield the folders that contain derivatives."""
        yield from self._images.glob("*/*/*/*")

    def take_over_shard(self, shard: Path) -> int:
        """Adopt all derivatives in one folder, and remove it if it is then empty; return how many names
        moved.

        ISBN-10 names go first: where a canonical name exists, the other must.
        """
        names = [(path, found) for path in _entries(shard) if (found := _NAME.fullmatch(path.name))]
        names.sort(key=lambda each: len(each[1][1]))
        moved = sum(self._move(path, Format(found[2])) for path, found in names)
        with suppress(OSError):
            for folder in (shard, *shard.parents[:3]):
                folder.rmdir()
        return moved

    def finish(self) -> None:
        """Remove what remains when all derivatives are adopted: links, locks, counters."""
        if not any(_NAME.fullmatch(path.name) for shard in self.shards() for path in _entries(shard)):
            shutil.rmtree(self._aside, ignore_errors=True)

    def _names(self, folder: Path, identifier: Identifier, only: Format | None = None) -> Iterator[Path]:
        below = folder.joinpath(*schemes.shard(identifier))
        for form in (only,) if only else Format:
            for stem in reversed(schemes.stems(identifier)):
                yield below / f"{stem}.{form.value}"

    def _move(self, path: Path, form: Format) -> bool:
        """Move one file to its new place, unless a newer one is there; return whether it was still here.

        Uses a link instead of a rename, which would replace a file made meanwhile.
        """
        target = self._target(path, form)
        for _ in range(3):
            try:
                link_or_rename(path, target)
            except FileExistsError:
                pass
            except FileNotFoundError:
                if not path.exists():
                    return False
                ownership.make_folder(target.parent)
                continue
            break
        path.unlink(missing_ok=True)
        return True

    def _target(self, path: Path, form: Format) -> Path:
        """Return a file's new path; a revision unknown to the current settings keeps its name."""
        a, size, former = path.parents[1], path.parents[2].name, path.parents[3].name
        names = self._layout.former.get((size, former), {})
        folder = self._layout.images / size / form.value / names.get(form, former)
        return folder / ISBN / a.name / path.parent.name / path.name


def link_or_rename(path: Path, target: Path) -> None:
    """Give a file its new name, unless that exists. Raises FileExistsError; the old name may remain."""
    try:
        os.link(path, target)
    except PermissionError:  # no hard links here
        if target.exists():
            raise FileExistsError(target) from None
        path.rename(target)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
