"""What the pages for people need beside the covers: keys given, notes, history, the cache's room."""

from dataclasses import dataclass

from coverproxy.accounts.self_service import KeyDesk
from coverproxy.cache.budget import Room
from coverproxy.stats.history import Historian
from coverproxy.stats.key_activity import Ledger
from coverproxy.stats.sqlite import Notes


@dataclass(frozen=True)
class Desk:
    """All of it, as each process opens it. `secret`: what forms and sessions are signed with."""

    keys: KeyDesk
    ledger: Ledger
    notes: Notes
    history: Historian
    room: Room
    secret: bytes
