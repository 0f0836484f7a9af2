"""What every catalogue must keep of notices; subclass per backend as CatalogueContract."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from coverproxy.domain.notice import Addressee, Delivery, Notice, NoticeKind, Way
from coverproxy.originals.base import Catalogue

NOTICE = Notice(NoticeKind.REPORT, "report AAAA", 100, {"item": "9780141439518", "text": "falsch: „é“"})
ANNA = Addressee(Way.MAIL, "anna@example.org")
DAILY = replace(ANNA, is_digest=True)


def numbers(claimed: list[Delivery]) -> list[int]:
    """The numbers of what was claimed."""
    return [each.number for each in claimed]


class NoticeContract:
    """Notices by addressee, sent once."""

    def test_a_notice_is_added_once_for_each_addressee(self, catalogue: Catalogue) -> None:
        """The same `once` is new once for an address, for another and for a webhook of that name."""
        notices = catalogue.notices
        others = [replace(ANNA, whom="b@example.org"), Addressee(Way.HOOK, ANNA.whom)]
        assert [notices.add(NOTICE, each, 100) for each in [ANNA, ANNA, *others, ANNA]] == [
            True, False, True, True, False,
        ]  # fmt: skip
        assert notices.waiting() == (3, 0, "")

    def test_what_is_due_is_claimed_whole_and_by_one(self, catalogue: Catalogue) -> None:
        """A claimed notice has all its values; nobody else gets it before the moment that was named."""
        notices = catalogue.notices
        notices.add(NOTICE, ANNA, 100)
        assert notices.claim(Way.MAIL, 99, 150) == notices.claim(Way.HOOK, 100, 150) == []
        (claimed,) = notices.claim(Way.MAIL, 100, 150)
        assert claimed == Delivery(claimed.number, NOTICE, ANNA, 0)
        assert notices.claim(Way.MAIL, 149, 200) == []
        assert numbers(notices.claim(Way.MAIL, 150, 200)) == [claimed.number]

    def test_of_many_one_gets_it(self, catalogue: Catalogue) -> None:
        """Eight that ask at once for ten notices share them: each notice is claimed once."""
        notices = catalogue.notices
        for number in range(10):
            notices.add(replace(NOTICE, once=f"n{number}"), ANNA, 100)
        with ThreadPoolExecutor(8) as threads:
            found = threads.map(lambda _: notices.claim(Way.MAIL, 100, 900), range(40))
            claimed = [each.number for batch in found for each in batch]
        left = iter(lambda: notices.claim(Way.MAIL, 100, 900), [])
        claimed += [each.number for batch in left for each in batch]
        assert len(claimed) == len(set(claimed)) == 10

    def test_a_digest_is_claimed_as_a_whole(self, catalogue: Catalogue) -> None:
        """All that waits for an address's digest comes together; other addresses and letters come apart."""
        notices = catalogue.notices
        for number, to in enumerate([DAILY, ANNA, DAILY, replace(DAILY, whom="b@example.org")]):
            notices.add(replace(NOTICE, once=f"n{number}"), to, 100)
        notices.add(replace(NOTICE, once="later"), DAILY, 500)
        found = [[each.notice.once for each in notices.claim(Way.MAIL, 200, 300)] for _ in range(4)]
        assert found == [["n0", "n2"], ["n1"], ["n3"], []]

    def test_what_ended_is_remembered_for_a_while(self, catalogue: Catalogue) -> None:
        """What was sent or given up waits no more, and is not added again until it is forgotten."""
        notices = catalogue.notices
        notices.add(NOTICE, ANNA, 100)
        notices.end(numbers(notices.claim(Way.MAIL, 100, 100)), 200)
        assert notices.waiting() == (0, 0, "")
        assert (notices.claim(Way.MAIL, 999, 999), notices.add(NOTICE, ANNA, 100)) == ([], False)
        notices.forget(200)
        assert not notices.add(NOTICE, ANNA, 100)
        notices.forget(201)
        assert notices.add(NOTICE, ANNA, 100)

    def test_failures_are_counted_and_told(self, catalogue: Catalogue) -> None:
        """What failed waits until its moment, and counts as failed with the latest reason."""
        notices = catalogue.notices
        notices.add(NOTICE, ANNA, 100)
        notices.add(replace(NOTICE, once="other"), ANNA, 900)
        taken = numbers(notices.claim(Way.MAIL, 100, 100))
        notices.postpone(taken, 300, "no server")
        assert notices.waiting() == (2, 1, "no server")
        assert notices.claim(Way.MAIL, 299, 400) == []
        assert [each.failures for each in notices.claim(Way.MAIL, 300, 400)] == [1]

    def test_a_readers_address_is_forgotten_with_the_answer(self, catalogue: Catalogue) -> None:
        """Once a reader was told what became of a report, nothing has their address."""
        notices = catalogue.notices
        decided = replace(NOTICE, kind=NoticeKind.REPORT_DECIDED)
        notices.add(decided, ANNA, 100)
        notices.end(numbers(notices.claim(Way.MAIL, 100, 100)), 200)
        assert notices.add(decided, ANNA, 100)

    def test_a_change_of_state_is_told_to_one(self, catalogue: Catalogue) -> None:
        """Of many that see a source go down one is told that this is new; so when it is back."""
        turn = catalogue.notices.turn
        assert not turn("source a", "up", "up")
        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(lambda _: turn("source a", "down", "up"), range(16))) == 1
        assert [turn("source a", "up", "up"), turn("source a", "up", "up")] == [True, False]
        assert not turn("key x", "approved", "approved")

    def test_notices_are_part_of_a_transaction(self, catalogue: Catalogue) -> None:
        """What is added within writing() is there with everything else, or not at all."""
        try:
            with catalogue.writing() as tables:
                tables.notices.add(NOTICE, ANNA, 100)
                raise LookupError
        except LookupError:
            pass
        assert catalogue.notices.waiting()[0] == 0
