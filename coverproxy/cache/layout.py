"""The path of a derivative on disk, chosen so that its URL is its path."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from coverproxy.domain import schemes
from coverproxy.domain.formats import PLACEHOLDER_FILE, Format
from coverproxy.domain.spec import Identifier, Spec

VERSION = "v2"
"""The first folder below the cache. former_layout adopts version 1."""

Revisions = Mapping[tuple[str, Format], str]
"""The current revision of each size and format: a name for all that changes its bytes."""

Former = Mapping[tuple[str, str], Mapping[Format, str]]
"""The present names of layout v1's revisions: by size and v1's name, the name for each format."""

Equal = Mapping[tuple[str, Format], tuple[str, ...]]
"""By size and format, the folders below `images` of other revisions whose derivatives count as current."""

_LISTED_SECONDS = 1.0


@dataclass(frozen=True)
class Layout:
    """The paths below one cache folder, for the current revisions.

    img/<size>/<format>/<revision>/<scheme>/<a>/<b>/<stem>.<ending>
    live/<size>/<format> -> ../../img/<size>/<format>/<revision>
    named/<size> -> ../live/<size>
    by-key/<key> -> ../live, or ../named for a key of named sizes only

    `equal`: revisions of earlier versions that stay valid; their files move to the current one's folder.
    `aliases`: other names under which nginx finds a size: live/w200 -> medium.
    `named`: the sizes, aliases among them, that keys with named_sizes_only get.
    `off`: formats of sizes that are switched off: a web server finds none of them.
    """

    root: Path
    revisions: Revisions
    former: Former = field(default_factory=dict)
    equal: Equal = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    named: frozenset[str] = frozenset()
    off: frozenset[tuple[str, Format]] = frozenset()
    _folders: dict[tuple[str, Format], Path] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _folder_names: dict[tuple[str, Format], str] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _older: dict[tuple[str, Format], tuple[float, list[Path]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def top(self) -> Path:
        """The folder of this version of the layout."""
        return self.root / VERSION

    @cached_property
    def temporary(self) -> Path:
        """Where files are written before they get their name: a rename from here copies no bytes."""
        return self.top / "tmp"

    @cached_property
    def fresh(self) -> Path:
        """Where derivatives are written on some file systems: see FreshFiles."""
        return self.top / "fresh"

    @cached_property
    def locks(self) -> Path:
        """The folder of the flights' lock files."""
        return self.top / "locks"

    @cached_property
    def images(self) -> Path:
        """The folder of all derivatives."""
        return self.top / "img"

    @cached_property
    def held(self) -> Path:
        """The number of bytes that the cache takes: see DiskBudget."""
        return self.top / "held"

    @cached_property
    def walked(self) -> Path:
        """The time of the last complete walk: see Janitor."""
        return self.top / "walked"

    @cached_property
    def purges(self) -> Path:
        """The number of purges so far: see Memory."""
        return self.top / "purges"

    @property
    def changes(self) -> Path:
        """The file that says how far this cache has followed the shared catalogue: see ChangeLog."""
        return self.top / "changes.json"

    @property
    def unwritten(self) -> Path:
        """A link to each derivative that is not in the object store yet: see Unwritten."""
        return self.top / "unwritten"

    @property
    def live(self) -> Path:
        """One symlink per size and format, to its current revision."""
        return self.top / "live"

    @property
    def live_named(self) -> Path:
        """One symlink per size that keys with named_sizes_only get, to its folder in `live`."""
        return self.top / "named"

    @property
    def placeholder(self) -> Path:
        """The file that nginx answers with while the app is down."""
        return self.top / PLACEHOLDER_FILE

    @property
    def by_key(self) -> Path:
        """One symlink per key whose covers nginx may serve without asking the app."""
        return self.top / "by-key"

    def folder(self, size: str, form: Format) -> Path:
        """The folder of the current revision of a size and format."""
        known = self._folders.get((size, form))
        if known is None:
            known = self._folders[size, form] = self.images / size / form.value / self.revisions[size, form]
        return known

    def live_link(self, size: str, form: Format) -> Path:
        """Return the link that leads to a size's current revision in one format."""
        return self.live / size / form.value

    def is_whole(self) -> bool:
        """Return whether the folders and the links of all sizes and formats are there."""
        links = (self.live_link(size, form) for size, form in self.revisions.keys() - self.off)
        named = (self.live_named / size for size in self.named)
        if any(self.live_link(size, form).is_symlink() for size, form in self.off):
            return False  # a process with earlier settings made it
        return all(path.exists() for path in (self.temporary, self.locks, self.by_key, *links, *named))

    def is_live(self, size: str, form: str, revision: str) -> bool:
        """Return whether a revision found on disk is the current one; *form* is the name of its folder."""
        return any(
            name == revision and (size, form) == (its_size, its_form.value)
            for (its_size, its_form), name in self.revisions.items()
        )

    def is_valid(self, size: str, form: str, revision: str) -> bool:
        """Return whether a revision found on disk is the current one, or counts as it."""
        folder = f"{size}/{form}/{revision}"
        return self.is_live(size, form, revision) or any(folder in each for each in self.equal.values())

    def equal_folders(self, size: str, form: Format) -> list[Path]:
        """The folders on disk whose derivatives count as current, the latest first."""
        images, found = os.fspath(self.images), list[tuple[float, str]]()
        for below in self.equal.get((size, form), ()):
            with suppress(OSError):  # hundreds are asked for and most are not there: no Path for each
                found.append((os.stat(path := f"{images}/{below}").st_mtime, path))  # noqa: PTH116
        return [Path(path) for _, path in sorted(found, reverse=True)]

    def paths(self, spec: Spec) -> tuple[Path, ...]:
        """The derivative's path, and those of its other spellings: hard links to it."""
        return files(self.folder(spec.size, spec.format), spec.identifier, spec.format)

    def path_names(self, spec: Spec) -> tuple[str, ...]:
        """The same as text: in Python 3.11 a Path takes several times as long to build and to use."""
        folder = self.folder_name(spec.size, spec.format)
        return tuple([f"{folder}/{name}" for name in names(spec.identifier, spec.format)])

    def is_missing(self, spec: Spec) -> bool:
        """Return whether a derivative certainly is not stored with the current settings: one look on disk."""
        below = names(spec.identifier, spec.format)[0]
        try:
            os.lstat(f"{self.folder_name(spec.size, spec.format)}/{below}")
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False
        return False

    def folder_name(self, size: str, form: Format) -> str:
        """The folder of the current revision of a size and format, as text."""
        known = self._folder_names.get((size, form))
        if known is None:
            known = self._folder_names[size, form] = str(self.folder(size, form))
        return known

    def older_paths(self, spec: Spec) -> Iterator[tuple[Path, ...]]:
        """The same for every older revision on disk, the latest first."""
        for folder in self._older_folders((spec.size, spec.format)):
            yield files(folder, spec.identifier, spec.format)

    def _older_folders(self, place: tuple[str, Format]) -> list[Path]:
        """Return the folders of older revisions, as they were within the last moment.

        They come only with other settings: every new cover would list the folder twice.
        """
        now = time.monotonic()
        until, found = self._older.get(place, (0.0, []))
        if now >= until:
            present = self.folder(*place)
            found = [each for each in _latest_first(present.parent) if each.name != present.name]
            self._older[place] = (now + _LISTED_SECONDS, found)
        return found

    def place(self, spec: Spec) -> str:
        """The derivative's path below `images`, as nginx uses it."""
        below = f"{spec.size}/{spec.format.ending}/{self.revisions[spec.size, spec.format]}"
        return f"{below}/{names(spec.identifier, spec.format)[0]}"

    def below_images(self, path: Path | str) -> str:
        """Spell a path as place() does."""
        return str(path).removeprefix(f"{self.images}/")

    def every_path(self, identifier: Identifier) -> Iterator[Path]:
        """Yield every path that a derivative of *identifier* can have, in all revisions on disk."""
        for form in Format:
            for folder in self.top.glob(f"img/*/{form.value}/*"):
                yield from files(folder, identifier, form)


def files(folder: Path, identifier: Identifier, form: Format) -> tuple[Path, ...]:
    """The names of a derivative in a revision's *folder*, the canonical one first."""
    return tuple(Path(f"{folder}/{name}") for name in names(identifier, form))


@lru_cache(maxsize=1024)  # one cover asks for them half a dozen times
def names(identifier: Identifier, form: Format) -> tuple[str, ...]:
    """The same below that folder, as text."""
    one, two = schemes.shard(identifier)
    below, ending = f"{identifier.scheme}/{one}/{two}", form.ending
    return tuple([f"{below}/{stem}.{ending}" for stem in schemes.stems(identifier)])


def _latest_first(folder: Path) -> list[Path]:
    """The revisions of a size and format; a folder's mtime says when it was last the current one."""
    found: list[tuple[float, Path]] = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    found.append((entry.stat().st_mtime, Path(entry.path)))
    return [path for _, path in sorted(found, reverse=True)]
