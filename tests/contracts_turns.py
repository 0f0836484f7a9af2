"""What every catalogue must keep of turns; subclass per backend."""

from coverproxy.originals.base import Catalogue
from coverproxy.originals.turn_store import Turn


class TurnContract:
    """Turns of work by name."""

    def test_one_has_the_turn(self, catalogue: Catalogue) -> None:
        """Nobody else gets it until its time is over or it is left; then it goes on where it was."""
        turns = catalogue.turns
        first = turns.claim("sweep", now=100, until=200)
        assert first == Turn("sweep", "", 200)
        assert turns.claim("sweep", now=199, until=300) is None
        assert turns.claim("other", now=199, until=300) == Turn("other", "", 300)
        first = turns.renew(first, "7f", until=250)
        assert first == Turn("sweep", "7f", 250)
        assert turns.claim("sweep", now=249, until=400) is None
        second = turns.claim("sweep", now=250, until=400)
        assert second == Turn("sweep", "7f", 400)

        assert turns.renew(first, "80", until=500) is None
        turns.let_go(first)
        turns.end(first, now=260)
        assert turns.claim("sweep", now=399, until=500) is None
        assert turns.ended("sweep") == 0
        turns.let_go(second)
        assert turns.claim("sweep", now=261, until=500) == Turn("sweep", "7f", 500)

    def test_the_next_begins_anew(self, catalogue: Catalogue) -> None:
        """What was done to its end is remembered by when it was; the next turn begins at the beginning."""
        turns = catalogue.turns
        assert turns.ended("sweep") == 0
        turn = turns.claim("sweep", now=100, until=200)
        assert turn
        turn = turns.renew(turn, "ff", until=210)
        assert turn
        turns.end(turn, now=120)
        assert turns.ended("sweep") == 120
        assert turns.claim("sweep", now=121, until=300) == Turn("sweep", "", 300)
