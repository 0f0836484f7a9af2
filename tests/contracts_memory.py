"""What every SourceMemory must keep: a backend supplies the fixtures and inherits the rest."""

from concurrent.futures import ThreadPoolExecutor

from coverproxy.domain.spec import Identifier
from coverproxy.sources.memory import Remembered, SourceMemory

NOW = 1_795_400_000.0
ROOM = 1000
"""Books that a memory under test keeps, about."""


def book(number: int) -> Identifier:
    """One of many books."""
    return Identifier("isbn", f"978{number:010d}")


class SourceMemoryContract:
    """Subclass per backend; the subclass owns `memory`, empty and for about ROOM books, and `elsewhere`.

    `elsewhere` is the same memory as another process has it open.
    """

    def test_what_is_absent_is_so_for_a_while(self, memory: SourceMemory) -> None:
        """A book is absent until its time is over, and no other one is."""
        memory.note_absent(book(1), NOW + 10, NOW)

        assert memory.look(book(1), NOW + 9).is_absent
        assert not memory.look(book(1), NOW + 10).is_absent
        assert memory.look(book(2), NOW) == Remembered(False, {})

    def test_schemes_are_apart(self, memory: SourceMemory) -> None:
        """The same value in another scheme is another item."""
        memory.note_absent(Identifier("oclc", "1"), NOW + 10, NOW)

        assert memory.look(Identifier("oclc", "1"), NOW).is_absent
        assert not memory.look(Identifier("lccn", "1"), NOW).is_absent

    def test_a_later_answer_counts(self, memory: SourceMemory) -> None:
        """Noted again, with a longer or a shorter time, the last one holds."""
        for until in (10, 50, 20):
            memory.note_absent(book(1), NOW + until, NOW)

        assert memory.look(book(1), NOW + 19).is_absent
        assert not memory.look(book(1), NOW + 20).is_absent

    def test_it_can_be_forgotten(self, memory: SourceMemory) -> None:
        """One book is forgotten, the others are not; to forget what is not there is no error."""
        for number in (1, 2):
            memory.note_absent(book(number), NOW + 10, NOW)
        for number in (1, 3):
            memory.forget(book(number))

        assert [memory.look(book(number), NOW).is_absent for number in (1, 2)] == [False, True]

    def test_of_two_pauses_the_longer_counts(self, memory: SourceMemory) -> None:
        """What a source wished for is the seconds that are left of it; what is over is not told."""
        memory.pause("a", NOW + 60)
        memory.pause("a", NOW + 30)
        memory.pause("b", NOW - 1)

        assert memory.look(book(1), NOW + 10).paused == {"a": 50.0}
        assert memory.look(book(1), NOW + 60).paused == {}

    def test_processes_share_it(self, memory: SourceMemory, elsewhere: SourceMemory) -> None:
        """What one process learnt another knows at once, and what one forgets so does the other."""
        memory.note_absent(book(1), NOW + 10, NOW)
        memory.pause("a", NOW + 60)
        assert elsewhere.look(book(1), NOW) == Remembered(True, {"a": 60.0})
        elsewhere.forget(book(1))
        assert not memory.look(book(1), NOW).is_absent

    def test_of_too_many_those_over_soonest_go(self, memory: SourceMemory) -> None:
        """However many ISBNs are tried, about ROOM are kept: those that stay absent longest."""
        for number in range(3 * ROOM):
            memory.note_absent(book(number), NOW + number, NOW)
        kept = [number for number in range(3 * ROOM) if memory.look(book(number), NOW - 1).is_absent]

        assert ROOM <= len(kept) < ROOM * 1.3
        assert kept == list(range(3 * ROOM - len(kept), 3 * ROOM))

    def test_threads_note_at_once(self, memory: SourceMemory) -> None:
        """Of what several threads note nothing is lost."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: memory.note_absent(book(number), NOW + 10, NOW), range(200)))

        assert all(memory.look(book(number), NOW).is_absent for number in range(200))
