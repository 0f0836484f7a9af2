"""Changes of what items show, for catalogues that keep covers for ever and for CDNs."""

from dataclasses import dataclass
from enum import StrEnum

from coverproxy.domain.decisions import Act
from coverproxy.domain.spec import Identifier


class ChangeKind(StrEnum):
    """How what an item shows changed."""

    REPLACED = "replaced"
    CHOSEN = "chosen"
    HIDDEN = "hidden"
    RESTORED = "restored"
    REMOVED = "removed"
    PURGED = "purged"


_BY_ACT = {
    Act.PIN: ChangeKind.CHOSEN, Act.APPROVE: ChangeKind.CHOSEN, Act.UNPIN: ChangeKind.CHOSEN,
    Act.HIDE: ChangeKind.HIDDEN, Act.RESTORE: ChangeKind.RESTORED, Act.REMOVE: ChangeKind.REMOVED,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShownChange:
    """An item shows something else since `at`, in seconds since 1970.

    `digest`: the original that it shows now; None: nothing. `number`: the store's, 0 before it is stored.
    """

    at: int
    identifier: Identifier
    kind: ChangeKind
    digest: bytes | None
    number: int = 0


def kind_of(act: Act | None, *, showed: bool, shows: bool) -> ChangeKind:
    """Return the kind of a change, by a person's act if there was one, and whether something is shown."""
    if act in _BY_ACT:
        return _BY_ACT[act]
    if not shows:
        return ChangeKind.HIDDEN if act is Act.UNDO else ChangeKind.REMOVED
    return ChangeKind.REPLACED if showed else ChangeKind.RESTORED
