"""What every store of keys and counts must keep: a backend supplies one fixture and inherits the rest."""

import asyncio
from datetime import date, timedelta

from coverproxy.key import Key
from coverproxy.state.base import KeyStore, QuotaStore

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

    async def test_pace_lets_a_burst_pass_and_then_one_a_step(self, quota: QuotaStore) -> None:
        """At two a second with a burst of three, the fourth waits half a second, and gets it then."""
        waits = [await quota.take_pace("k", NOW, 2.0, 3) for _ in range(4)]

        assert waits[:3] == [0.0, 0.0, 0.0]
        assert 0.4 < waits[3] <= 0.5
        assert await quota.take_pace("k", NOW + 0.49, 2.0, 3) > 0
        assert await quota.take_pace("k", NOW + 0.5, 2.0, 3) == 0.0

    async def test_pace_is_never_saved_up_beyond_the_burst(self, quota: QuotaStore) -> None:
        """After a week of silence the burst is the same."""
        await quota.take_pace("k", NOW, 1.0, 2)
        later = NOW + 604_800
        assert [await quota.take_pace("k", later, 1.0, 2) > 0 for _ in range(3)] == [False, False, True]

    async def test_pace_that_got_nothing_is_given_back(self, quota: QuotaStore) -> None:
        """A place in the burst that was given back can be taken again at once."""
        await quota.take_pace("k", NOW, 1.0, 1)
        await quota.give_back_pace("k", 1.0)
        assert await quota.take_pace("k", NOW, 1.0, 1) == 0.0


class KeyContract:
    """Subclass per backend; the subclass owns the `keys` fixture."""

    async def test_a_key_comes_back_as_it_was_saved(self, keys: KeyStore) -> None:
        """Every field of a key survives, whatever a label holds."""
        saved = [
            Key("a" * 26, "Bücherei 'Ost' <b>\n", 5, True, ("a.example", "*.b.example"), 10, 20),
            Key("b" * 26, "", 0, created_at=11, expires_at=30),
        ]
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
