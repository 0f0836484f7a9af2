"""What every store and every source must keep: a backend supplies one fixture and inherits the rest."""

import asyncio
from datetime import date, timedelta
from typing import Protocol

import pytest

from coverproxy.accounts.stores import EndedSessions, KeyStore, QuotaStore, RateLimiter
from coverproxy.domain.api_key import Key
from coverproxy.domain.editions import Relation
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.sources.base import Fetched, NotThere, Source, SourceUnavailable, Unchanged, Validators

TODAY = date(2026, 11, 23)
NOW = 1_795_400_000.0


class QuotaContract:
    """Subclass per backend; the subclass owns the `quota` fixture and nothing else."""

    async def test_the_last_place_is_given_once(self, quota: QuotaStore) -> None:
        """Fifty callers race for three places: three get one, each its own count, and the day stays full."""
        got = await asyncio.gather(*(quota.take("k", TODAY, 3) for _ in range(50)))

        assert sorted(count for count in got if count) == [1, 2, 3]
        assert await quota.take("k", TODAY, 3) is None

    async def test_a_limit_of_zero_makes_none(self, quota: QuotaStore) -> None:
        """With limit 0 the very first cover is refused."""
        assert await quota.take("k", TODAY, 0) is None
        assert await quota.made(["k"], TODAY) == {}

    async def test_what_is_given_back_can_be_taken_again(self, quota: QuotaStore) -> None:
        """Giving back frees one place, and never goes below zero."""
        await quota.take("k", TODAY, 1)
        assert await quota.give_back("k", TODAY) == 0
        assert await quota.give_back("k", TODAY) == 0
        assert await quota.take("k", TODAY, 1) == 1

    async def test_all_keys_add_up_to_a_day(self, quota: QuotaStore) -> None:
        """The day's sum is that of every key, and of that day alone."""
        for key, day in (("a", TODAY), ("a", TODAY), ("b", TODAY), ("a", TODAY - timedelta(days=1))):
            await quota.take(key, day, 5)
        assert await quota.made_by_all(TODAY) == 3
        assert await quota.made_by_all(TODAY + timedelta(days=1)) == 0

    async def test_keys_and_days_are_counted_apart(self, quota: QuotaStore) -> None:
        """Another key or another day has its own count, and a lowered limit is obeyed at once."""
        for key, day in (("a", TODAY), ("b", TODAY), ("a", TODAY - timedelta(days=1))):
            assert await quota.take(key, day, 5) == 1
        assert await quota.made(["a", "b", "c"], TODAY) == {"a": 1, "b": 1}
        assert await quota.history("a", TODAY - timedelta(days=29)) == {
            TODAY - timedelta(days=1): 1,
            TODAY: 1,
        }
        assert await quota.take("a", TODAY, 1) is None

    async def test_a_book_counts_once_a_day(self, quota: QuotaStore) -> None:
        """Further covers of a book are free, also at the limit; another book, key or day counts anew."""
        first = [await quota.take("k", TODAY, 2, item) for item in ("a", "a", "b", "a", "c")]
        assert first == [1, 1, 2, 2, None]
        assert await quota.take("k", TODAY, 2) is None
        assert await quota.take("l", TODAY, 2, "a") == 1
        assert await quota.take("k", TODAY + timedelta(days=1), 2, "a") == 1
        assert await quota.made(["k", "l"], TODAY) == {"k": 2, "l": 1}

    async def test_a_book_is_uncounted_with_its_last_cover(self, quota: QuotaStore) -> None:
        """Of three covers of a book two can be given back; with the third the place is free, and no more."""
        for _ in range(3):
            await quota.take("k", TODAY, 1, "a")
        assert [await quota.give_back("k", TODAY, "a") for _ in range(4)] == [1, 1, 0, 0]
        assert await quota.take("k", TODAY, 1, "b") == 1

    async def test_books_that_race_are_counted_exactly(self, quota: QuotaStore) -> None:
        """Of ten books, five covers each at once, three pass the limit of three, with all their covers."""
        books = [f"isbn:{number}" for number in range(10)] * 5
        got = await asyncio.gather(*(quota.take("k", TODAY, 3, book) for book in books))
        passed = [book for book, count in zip(books, got, strict=True) if count is not None]
        assert len(passed) == 15
        assert len(set(passed)) == 3
        assert await quota.made(["k"], TODAY) == {"k": 3}

    async def test_books_and_covers_share_one_count(self, quota: QuotaStore) -> None:
        """Where the rule changes in the middle of a day, what was counted before stays counted."""
        await quota.take("k", TODAY, 3)
        assert [await quota.take("k", TODAY, 3, item) for item in "abc"] == [2, 3, None]


class RateLimiterContract:
    """Subclass per backend; the subclass owns the `rates` fixture."""

    async def test_a_burst_passes_and_then_one_a_step(self, rates: RateLimiter) -> None:
        """At two a second with a burst of three, the fourth waits half a second, and gets it then."""
        waits = [await rates.take("s", "k", NOW, 2.0, 3) for _ in range(4)]

        assert waits[:3] == [0.0, 0.0, 0.0]
        assert 0.4 < waits[3] <= 0.5
        assert await rates.take("s", "k", NOW + 0.49, 2.0, 3) > 0
        assert await rates.take("s", "k", NOW + 0.5, 2.0, 3) == 0.0

    async def test_nothing_is_saved_up_beyond_the_burst(self, rates: RateLimiter) -> None:
        """After a week of silence the burst is the same."""
        await rates.take("s", "k", NOW, 1.0, 2)
        later = NOW + 604_800
        assert [await rates.take("s", "k", later, 1.0, 2) > 0 for _ in range(3)] == [False, False, True]

    async def test_what_got_nothing_is_given_back(self, rates: RateLimiter) -> None:
        """A place in the burst that was given back can be taken again at once."""
        await rates.take("s", "k", NOW, 1.0, 1)
        await rates.give_back("s", "k", 1.0)
        assert await rates.take("s", "k", NOW, 1.0, 1) == 0.0

    async def test_scopes_and_names_are_limited_apart(self, rates: RateLimiter) -> None:
        """The same name in another scope, and pairs that spell the same, each have their own burst."""
        pairs = [("login", "a"), ("owner", "a"), ("login", "b"), ("login a", ""), ("", "login a")]
        assert [await rates.take(scope, name, NOW, 1.0, 1) for scope, name in pairs] == [0.0] * len(pairs)
        assert all([await rates.take(scope, name, NOW, 1.0, 1) for scope, name in pairs])

    async def test_callers_at_once_share_one_burst(self, rates: RateLimiter) -> None:
        """Of fifty callers at once as many pass as the burst has."""
        waits = await asyncio.gather(*(rates.take("s", "k", NOW, 1.0, 7) for _ in range(50)))
        assert waits.count(0.0) == 7

    @pytest.mark.parametrize("ahead", [60.0, 2 * 86_400.0, 400 * 86_400.0])
    async def test_a_clock_that_was_ahead_closes_nothing(self, rates: RateLimiter, ahead: float) -> None:
        """After the clock was set back, one waits a step and no longer, and then goes on at the rate."""
        for _ in range(5):
            await rates.take("s", "k", NOW + ahead, 2.0, 3)

        assert 0 < await rates.take("s", "k", NOW, 2.0, 3) <= 0.5
        assert await rates.take("s", "k", NOW + 0.5, 2.0, 3) == 0.0
        assert 0 < await rates.take("s", "k", NOW + 0.5, 2.0, 3) <= 0.5
        assert await rates.take("s", "k", NOW + 1.0, 2.0, 3) == 0.0

    async def test_a_raised_rate_holds_at_once(self, rates: RateLimiter) -> None:
        """What was used up at one an hour does not hold back a config that allows ten a second."""
        for _ in range(4):
            await rates.take("s", "k", NOW, 1 / 3600, 4)
        assert await rates.take("s", "k", NOW, 10.0, 4) <= 0.1
        assert await rates.take("s", "k", NOW + 0.1, 10.0, 4) == 0.0


class KeyContract:
    """Subclass per backend; the subclass owns the `keys` fixture."""

    async def test_a_key_comes_back_as_it_was_saved(self, keys: KeyStore) -> None:
        """Every field of a key survives, whatever a label holds."""
        saved = [
            Key("a" * 26, "Bücherei 'Ost' <b>\n", 5, True, ("a.example", "*.b.example"), 10, 20),
            Key("b" * 26, "", 0, created_at=11, expires_at=30),
            Key(
                "c" * 26, "x", 1, created_at=12, is_waiting=True, no_cover="card", contact="é@x.org",
                account="a" * 26, owner="f" * 64, site="x.example",
            ),
            Key("d" * 26, "y", 1, created_at=13, role="server", asked_role="batch", named_sizes_only=True,
                fallback=Relation.EDITION),
        ]  # fmt: skip
        for key in saved:
            await keys.save(key)
        assert await keys.keys() == saved

    async def test_every_change_raises_the_version(self, keys: KeyStore) -> None:
        """Creating, changing and revoking each raise the number that other processes look at."""
        seen = [await keys.version()]
        for key in (Key("k" * 26, "a", 1), Key("k" * 26, "b", 1), Key("k" * 26, "b", 1, revoked_at=5)):
            await keys.save(key)
            seen.append(await keys.version())
        assert seen == sorted(set(seen))

    async def test_as_many_are_asked_for_as_may_be(self, keys: KeyStore) -> None:
        """Of racing requests as many enter as the day and the contact allow, and it is said which is full."""
        await asyncio.gather(*(keys.enter(f"a{number}", "a", NOW, NOW - 10, 9, 2) for number in range(5)))
        got = [await keys.enter(f"{who}{n}", who, NOW, NOW - 10, 4, 2) for n, who in enumerate("abbc")]
        assert got == ["contact", None, None, "day"]
        assert await keys.enter("later", "d", NOW + 60, NOW + 50, 4, 2) is None
        await keys.leave("b1")
        assert await keys.enter("again", "b", NOW + 60, NOW + 50, 4, 2) is None

    async def test_the_first_secret_stays(self, keys: KeyStore) -> None:
        """Whoever comes later with a secret gets the first one."""
        assert [await keys.secret(made) for made in (b"first", b"second")] == [b"first", b"first"]


class EndedSessionsContract:
    """Subclass per backend; the subclass owns the `sessions` fixture."""

    async def test_an_ended_session_stays_ended(self, sessions: EndedSessions) -> None:
        """One that was ended, twice too, has ended; no other one has."""
        for _ in range(2):
            await sessions.end("a", 200, 100)

        assert await sessions.has_ended("a")
        assert not await sessions.has_ended("b")

    async def test_it_is_forgotten_when_its_time_is_over(self, sessions: EndedSessions) -> None:
        """What would have ended by itself is not kept, so the store does not grow; the rest is."""
        await sessions.end("short", 150, 100)
        await sessions.end("long", 300, 100)
        await sessions.end("later", 300, 200)

        assert [await sessions.has_ended(each) for each in ("short", "long", "later")] == [False, True, True]


class Place(Protocol):
    """A source that goes by `{isbn10}` and takes at most MOST bytes, and hands to change what it has."""

    source: Source

    def put(self, isbn10: str, body: bytes, modified: int) -> None:
        """Let it have this cover, last changed at *modified*, in seconds since 1970."""

    def remove(self, isbn10: str) -> None:
        """Let it have none."""

    async def go_down(self) -> None:
        """Let it be asked in vain."""


MOST = 100_000
MATILDA, MATILDA_10 = Identifier(ISBN, "9780140328721"), "0140328726"
OTHER = Identifier(ISBN, "9780199536320")
ONLY_13 = Identifier(ISBN, "9791090636071")
THEN = 1_700_000_000


class SourceContract:
    """Subclass per kind; the subclass owns the `place` fixture."""

    async def test_what_is_there_is_fetched(self, place: Place) -> None:
        """The bytes come as they are, with their own time and something to ask by again."""
        body = bytes(range(256)) * 300
        place.put(MATILDA_10, body, THEN)

        answer = await place.source.fetch(MATILDA, None)

        assert isinstance(answer, Fetched)
        assert (answer.body, answer.date) == (body, THEN)
        assert answer.validators.etag
        assert answer.validators.modified == "Tue, 14 Nov 2023 22:13:20 GMT"

    async def test_what_is_not_there_is_said_so(self, place: Place) -> None:
        """A book that the source lacks beside one that it has is not there, asked conditionally too."""
        place.put(MATILDA_10, b"a cover", THEN)

        for known in (None, Validators('"old"', "Tue, 14 Nov 2023 22:13:20 GMT")):
            assert isinstance(await place.source.fetch(OTHER, known), NotThere)

    async def test_a_979_is_not_there_where_an_isbn10_is_needed(self, place: Place) -> None:
        """A template that goes by ISBN-10 has no place for a 979."""
        answer = await place.source.fetch(ONLY_13, None)

        assert isinstance(answer, NotThere)
        assert answer.why == "it has no ISBN of the form that this source needs"

    async def test_what_is_known_is_unchanged(self, place: Place) -> None:
        """What was fetched is unchanged by all its validators, by its ETag alone and by its time alone."""
        place.put(MATILDA_10, b"a cover", THEN)
        first = await place.source.fetch(MATILDA, None)
        assert isinstance(first, Fetched)
        etag, modified = first.validators.etag, first.validators.modified

        for known in (Validators(etag, modified), Validators(etag), Validators(None, modified)):
            assert await place.source.fetch(MATILDA, known) == Unchanged()

    async def test_what_changed_is_fetched_anew(self, place: Place) -> None:
        """Other bytes of another time are given whole, with validators that are other ones."""
        place.put(MATILDA_10, b"a cover", THEN)
        first = await place.source.fetch(MATILDA, None)
        assert isinstance(first, Fetched)
        place.put(MATILDA_10, b"another", THEN + 60)

        second = await place.source.fetch(MATILDA, first.validators)

        assert isinstance(second, Fetched)
        assert (second.body, second.date) == (b"another", THEN + 60)
        assert second.validators != first.validators

    async def test_what_went_away_is_not_there(self, place: Place) -> None:
        """A cover that the source withdrew is not there: it is not taken for unchanged."""
        place.put(MATILDA_10, b"a cover", THEN)
        place.put("0199536325", b"another book's", THEN)
        first = await place.source.fetch(MATILDA, None)
        assert isinstance(first, Fetched)
        place.remove(MATILDA_10)

        assert isinstance(await place.source.fetch(MATILDA, first.validators), NotThere)

    @pytest.mark.parametrize(("size", "kind"), [(MOST, Fetched), (MOST + 1, NotThere), (MOST * 50, NotThere)])
    async def test_no_more_than_the_most_is_taken(self, place: Place, size: int, kind: type) -> None:
        """As many bytes as allowed are fetched, one more is as good as no cover."""
        place.put(MATILDA_10, bytes(size), THEN)

        assert isinstance(await place.source.fetch(MATILDA, None), kind)

    async def test_nothing_is_no_cover(self, place: Place) -> None:
        """An empty file or object is not there."""
        place.put(MATILDA_10, b"", THEN)

        assert isinstance(await place.source.fetch(MATILDA, None), NotThere)

    async def test_what_is_down_could_not_be_asked(self, place: Place) -> None:
        """A source that is down has not said that a cover is missing, nor that it is unchanged."""
        place.put(MATILDA_10, b"a cover", THEN)
        first = await place.source.fetch(MATILDA, None)
        assert isinstance(first, Fetched)
        await place.go_down()

        for identifier in (MATILDA, OTHER):
            for known in (None, first.validators):
                with pytest.raises(SourceUnavailable):
                    await place.source.fetch(identifier, known)

    async def test_many_ask_at_once(self, place: Place) -> None:
        """Fifty tasks get their answers, each its own."""
        place.put(MATILDA_10, b"a cover", THEN)

        asked = [MATILDA, OTHER] * 25
        answers = await asyncio.gather(*(place.source.fetch(each, None) for each in asked))

        assert [type(answer) for answer in answers] == [Fetched, NotThere] * 25

    async def test_a_closed_source_could_not_be_asked(self, place: Place) -> None:
        """Closing, twice too, leaves a source that says so; what was under way ends in either way."""
        place.put(MATILDA_10, b"a cover", THEN)
        await place.source.aclose()
        await place.source.aclose()

        with pytest.raises(SourceUnavailable):
            await place.source.fetch(MATILDA, None)
