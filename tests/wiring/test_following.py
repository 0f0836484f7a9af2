"""A node follows what other nodes change."""

import threading

from coverproxy.domain.errors import StoreUnavailable
from coverproxy.wiring.postgres import Follower


def test_what_could_not_be_followed_is_tried_again() -> None:
    """Woken once while the database is still away, it follows as soon as that answers."""
    tries: list[None] = []
    followed = threading.Event()

    def drop() -> None:
        tries.append(None)
        if len(tries) < 3:
            raise StoreUnavailable("away")
        followed.set()

    follower = Follower(drop, lambda: None, is_deaf=lambda: False)
    follower.start()
    try:
        follower.wake()
        assert followed.wait(30)
        assert len(tries) == 3
    finally:
        follower.stop()
