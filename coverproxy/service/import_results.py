"""What becomes of an import's steps, one by one and in all."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from coverproxy.domain.original import Original
from coverproxy.originals.base import CatalogueTables
from coverproxy.originals.examine import Candidate, Refusal
from coverproxy.service.import_steps import LinkedItems, Passed, TitledItems, Withdrawal


@dataclass
class ImportReport:
    """The progress of an import. `lesser`: added originals that their book does not show. `damaged`: those
    that cannot be decoded, and are not shown.

    `passed`: records without covers. `withdrawn`: pictures that a sender withdrew. `linked`: items linked to
    other editions. `unremoved`: outdated covers that cannot be removed, and why.
    """

    seen: int = 0
    added: int = 0
    already: int = 0
    replaced: int = 0
    lesser: int = 0
    damaged: int = 0
    passed: int = 0
    withdrawn: int = 0
    linked: int = 0
    bytes: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False
    unremoved: str = ""

    @property
    def taken(self) -> int:
        """How many steps did what they asked for."""
        return self.added + self.already + self.passed + self.withdrawn + self.linked


@dataclass(frozen=True, slots=True)
class Entered:
    """A file in place that only needs its row. `is_known`: the row exists already.

    `is_doubtful`: it has to be decoded first, as its end is missing or its book has another picture.
    """

    original: Original
    candidate: Candidate
    is_known: bool
    is_doubtful: bool = False


Result = Entered | Refusal | Withdrawal | Passed | LinkedItems | TitledItems
Note = Callable[[CatalogueTables, Sequence[Result]], None]
"""Records an import's progress in each batch's transaction."""
