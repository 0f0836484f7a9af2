"""What lies there before the rivals of `hits` start: books, their covers, and their addresses."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench import books, serve
from coverproxy.domain.isbn import to_isbn10

NATIVE = "native"

SHAPES: dict[str, tuple[str, str]] = {
    NATIVE: ("medium", "/devkey/{key}/medium/isbn/{13}"),
    "Open Library's addresses": ("medium", "/devkey/{key}/b/isbn/{13}-M.jpg?default=false"),
    "Amazon's addresses": ("medium", "/devkey/{key}/images/P/{10}.01.MZZZZZZZ.jpg"),
    "openBD's addresses, large": ("large", "/devkey/{key}/{13}.jpg"),
}
"""By what a row is called: the size that is asked for, and the addresses."""


class Stage(NamedTuple):
    """A data folder with covers of one size, and how they are asked for.

    `folder`: where servers lay their own files. `files`: the covers, by the books' numbers. `open_files`: how
    many a worker of nginx keeps open.
    """

    folder: Path
    data: Path
    files: Sequence[Path]
    open_files: int
    shape: str = NATIVE

    @property
    def size(self) -> str:
        """The size that the shape asks for."""
        return SHAPES[self.shape][0]

    def place(self, name: str) -> Path:
        """Return the folder of a server's own files."""
        return self.folder / f"{name} of {self.shape}".replace(" ", "-").replace("'", "").replace(",", "")

    def path(self, served: serve.Served, number: int) -> str:
        """Return the address of a book's cover by the shape."""
        thirteen = books.isbn(number)
        path = SHAPES[self.shape][1].replace("{key}", served.key).replace("{13}", thirteen)
        return path.replace("{10}", to_isbn10(thirteen) or thirteen)


def shaped(stage: Stage, found: Sequence[Path], shape: str) -> Stage:
    """Return the same books by another shape's addresses; its covers are made where it has another size."""
    size = SHAPES[shape][0]
    files = stage.files
    if size != stage.size:
        files = books.store(stage.data, found, range(len(stage.files)), size)
    return stage._replace(shape=shape, files=files)


def staged(folder: Path, found: Sequence[Path], count: int, open_files: int) -> Stage:
    """Fill a data folder with *count* books and their medium covers."""
    books.fill(folder / "data", found, count)
    files = books.store(folder / "data", found, range(count), SHAPES[NATIVE][0])
    return Stage(folder, folder / "data", files, open_files)
