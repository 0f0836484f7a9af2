"""Moves derivatives of revisions that count as current into the current one's folder."""

from contextlib import suppress
from pathlib import Path

from coverproxy.cache.former_layout import link_or_rename
from coverproxy.cache.layout import Layout, files
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import Spec
from coverproxy.storage import ownership


class EqualRevisions:
    """What versions with other defaults made. Blocks. Every step may be repeated, so a crash does no harm."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._folders: dict[tuple[str, Format], list[Path]] = {}

    def adopt(self, size: str, form: Format) -> None:
        """Give the latest such folder the current revision's name, if nothing has that yet.

        One rename, so a million files take no longer. nginx finds them at once.
        """
        present = self._layout.folder(size, form)
        found = self._layout.equal_folders(size, form)
        if found and not present.exists():
            ownership.make_folder(present.parent)
            with suppress(FileNotFoundError, FileExistsError):  # another process did it first
                found.pop(0).rename(present)
        self._folders[size, form] = found

    def is_there(self, size: str, form: Format) -> bool:
        """Return whether another such folder may have any derivative."""
        return bool(self._folders.get((size, form), True))

    def take_over(self, spec: Spec) -> bool:
        """Move one derivative from the other such folders; return whether any had it."""
        place = spec.size, spec.format
        if place not in self._folders:
            self._folders[place] = self._layout.equal_folders(*place)
        moved = [self._move(folder, spec) for folder in self._folders[place]]
        return any(moved)

    def _move(self, folder: Path, spec: Spec) -> bool:
        """Move all spellings; the canonical one comes last: where it exists, the others must.

        A derivative that the current settings have made meanwhile stays.
        """
        old, new = files(folder, spec.identifier, spec.format), self._layout.paths(spec)
        if not old[0].exists():
            return False
        for path, target in reversed(list(zip(old, new, strict=True))):
            ownership.make_folder(target.parent)
            with suppress(FileExistsError, FileNotFoundError):
                link_or_rename(path, target)
            path.unlink(missing_ok=True)
        return True
