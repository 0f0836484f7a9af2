"""What the pages for people need besides the covers: key issuing, activity, history."""

from dataclasses import dataclass

from coverproxy.accounts.self_service import KeySelfService
from coverproxy.accounts.signing import SigningSecret
from coverproxy.accounts.stores import EndedSessions
from coverproxy.originals.notice_store import NoticeStore
from coverproxy.stats.base import Notes
from coverproxy.stats.downloads import DownloadCounter
from coverproxy.stats.history import Historian
from coverproxy.stats.key_activity import KeyActivity


@dataclass(frozen=True)
class PageContext:
    """The context, as each process opens it."""

    keys: KeySelfService
    ledger: KeyActivity
    notes: Notes
    downloads: DownloadCounter
    history: Historian
    signing: SigningSecret
    sessions: EndedSessions
    notices: NoticeStore

    @property
    def secret(self) -> bytes:
        """The secret that signs forms and sessions."""
        return self.signing.value
