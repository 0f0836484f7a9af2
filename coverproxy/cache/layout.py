"""Where a derivative lies on disk, so that its URL is its path."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from coverproxy.domain import schemes
from coverproxy.domain.formats import PLACEHOLDER_FILE, Format
from coverproxy.domain.spec import Identifier, Spec

VERSION = "v1"
"""The first folder below the cache; another layout would take another, and both could stand side by side."""


@dataclass(frozen=True)
class Layout:
    """The paths below one cache folder, for the sizes' present revisions."""

    root: Path
    revisions: Mapping[str, str]

    @property
    def top(self) -> Path:
        """The folder of this version of the layout."""
        return self.root / VERSION

    @property
    def temporary(self) -> Path:
        """Where files are written before they get their name: a rename there is none of bytes."""
        return self.top / "tmp"

    @property
    def locks(self) -> Path:
        """Where the stripe files of the flights lie."""
        return self.top / "locks"

    @property
    def images(self) -> Path:
        """Where derivatives lie: revision, size, two shard folders, name."""
        return self.top / "img"

    @property
    def held(self) -> Path:
        """The number of bytes that the cache takes: see Room."""
        return self.top / "held"

    @property
    def walked(self) -> Path:
        """When all of it was last walked through: see Janitor."""
        return self.top / "walked"

    @property
    def purges(self) -> Path:
        """How many purges there were: see Memory."""
        return self.top / "purges"

    @property
    def live(self) -> Path:
        """One symlink per size, to its present revision."""
        return self.top / "live"

    @property
    def placeholder(self) -> Path:
        """The answer of a web server to whom the app does not speak."""
        return self.top / PLACEHOLDER_FILE

    @property
    def by_key(self) -> Path:
        """One symlink per key that may be served without asking."""
        return self.top / "by-key"

    def folder(self, size: str) -> Path:
        """The folder of a size's present revision."""
        return self.images / self.revisions[size] / size

    def paths(self, spec: Spec) -> tuple[Path, ...]:
        """The derivative's path, and those of its other spellings: hard links to it."""
        return _files(self.folder(spec.size), spec.identifier, spec.format)

    def place(self, spec: Spec) -> str:
        """Where the derivative lies below `images`: what the path in a web server's words begins with."""
        return self.paths(spec)[0].relative_to(self.images).as_posix()

    def every_path(self, identifier: Identifier) -> Iterator[Path]:
        """Every path a derivative of *identifier* can have: in all revisions on disk, old ones too."""
        for folder in self.top.glob("img/*/*"):
            for form in Format:
                yield from _files(folder, identifier, form)


def _files(folder: Path, identifier: Identifier, form: Format) -> tuple[Path, ...]:
    below = folder.joinpath(*schemes.shard(identifier))
    return tuple(below / f"{spelling}.{form.value}" for spelling in schemes.stems(identifier))
