"""What every ActivityStore and HistoryStore must keep: a backend supplies the fixtures."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

from coverproxy.stats.base import (
    LACKING_SECONDS,
    MOST_LACKING,
    MOST_REFUSALS,
    MOST_WANTED,
    REFUSAL_COUNT_DAYS,
    ActivityStore,
    HistoryStore,
    Lacking,
    RefusalRow,
    Sample,
)
from coverproxy.stats.downloads import Download, DownloadRow, LogMark

NOW = 1_795_400_000


def isbn(number: int) -> str:
    """One of many ISBNs."""
    return f"978{number:010d}"


class ActivityContract:
    """Subclass per backend; the subclass owns `notes`, empty, and `notes_elsewhere`, another process's."""

    def test_counts_add_up(self, notes: ActivityStore, notes_elsewhere: ActivityStore) -> None:
        """What two processes count of an ISBN is one sum with the latest time; accounts are apart."""
        notes.add({("a", isbn(1)): 2, ("b", isbn(1)): 1}, [], NOW)
        notes_elsewhere.add({("a", isbn(1)): 3, ("a", isbn(2)): 1}, [], NOW + 5)

        assert notes.lacking("a") == [Lacking(isbn(1), 5, NOW + 5), Lacking(isbn(2), 1, NOW + 5)]
        assert notes_elsewhere.lacking("b") == [Lacking(isbn(1), 1, NOW)]
        assert notes.lacking("c") == []

    def test_as_many_are_given_as_are_wanted(self, notes: ActivityStore) -> None:
        """The most asked for come first, and of equals the latest."""
        for number, count in ((1, 2), (2, 9), (3, 2)):
            notes.add({("a", isbn(number)): count}, [], NOW + number)

        assert [each.isbn for each in notes.lacking("a", 2)] == [isbn(2), isbn(3)]

    def test_what_all_accounts_lack_is_one_list(self, notes: ActivityStore) -> None:
        """The requests of all accounts for an ISBN are one sum; the most requested come first."""
        notes.add({("a", isbn(1)): 2, ("b", isbn(1)): 2, ("b", isbn(2)): 3}, [], NOW)
        notes.add({("c", isbn(2)): 2, ("c", isbn(3)): 1}, [], NOW + 5)

        first, second = Lacking(isbn(2), 5, NOW + 5), Lacking(isbn(1), 4, NOW)
        assert notes.most_lacking() == [first, second, Lacking(isbn(3), 1, NOW + 5)]
        assert notes.most_lacking(2) == [first, second]

    def test_the_list_of_all_accounts_is_bounded(self, notes: ActivityStore) -> None:
        """Of what many accounts ask for, the most requested stay, with the requests of all."""
        notes.add({("a", isbn(1)): 3, ("b", isbn(1)): 4}, [], NOW)
        for account in range(14):
            first = 1000 * (account + 1)
            notes.add({(str(account), isbn(first + each)): 1 for each in range(450)}, [], NOW + account)
        found = notes.most_lacking(MOST_WANTED + 1000)

        assert found[0] == Lacking(isbn(1), 7, NOW)
        assert len(found) == MOST_WANTED

    def test_titles_stay_until_another_is_said(self, notes: ActivityStore) -> None:
        """A request without a title leaves the one that is known; all accounts share a list with titles."""
        notes.add({("a", isbn(1)): 1, ("a", isbn(2)): 2}, [], NOW, None, {("a", isbn(1)): "Émile"})
        notes.add({("a", isbn(1)): 1}, [], NOW)
        assert [each.title for each in notes.lacking("a")] == ["Émile", ""]
        notes.add({("a", isbn(1)): 1}, [], NOW, None, {("a", isbn(1)): "Émile, Rousseau"})

        assert [each.title for each in notes.lacking("a")] == ["Émile, Rousseau", ""]
        assert [each.title for each in notes.most_lacking()] == ["Émile, Rousseau", ""]
        assert [notes.title_of(isbn(number)) for number in (1, 2, 3)] == ["Émile, Rousseau", "", ""]

    def test_of_many_isbns_the_most_asked_for_stay(self, notes: ActivityStore) -> None:
        """A catalogue that asks for ten thousand ISBNs fills its share alone, the frequent ones stand."""
        notes.add({("a", isbn(1)): 7, ("b", isbn(2)): 1}, [], NOW)
        for start in range(100, 10_000, 450):
            notes.add({("a", isbn(start + each)): 1 for each in range(450)}, [], NOW + start)
        kept = notes.lacking("a")

        assert len(kept) == MOST_LACKING
        assert (kept[0].isbn, kept[0].asked) == (isbn(1), 7)
        assert [each.isbn for each in notes.lacking("b")] == [isbn(2)]

    def test_of_many_refusals_the_latest_stay(self, notes: ActivityStore) -> None:
        """Of two hundred refusals of one account fifty are kept, the latest first; others keep their own."""
        notes.add({}, [RefusalRow("b", NOW, "quota", "é ' <b>")], NOW)
        for start in range(0, 200, 40):
            notes.add({}, [RefusalRow("a", NOW, "invalid", str(start + each)) for each in range(40)], NOW)

        assert [each.detail for each in notes.refused("a")] == [str(number) for number in range(199, 149, -1)]
        assert len(notes.refused("a")) == MOST_REFUSALS
        assert notes.refused("b") == [RefusalRow("b", NOW, "quota", "é ' <b>")]

    def test_refusals_are_counted_beyond_those_kept(self, notes: ActivityStore) -> None:
        """All are counted by account and reason, those too that came as a number; from a day on."""
        one = RefusalRow("a", NOW, "throttled", "x")
        notes.add({}, [one], NOW, {("a", "throttled"): 400, ("b", "quota"): 1})
        notes.add({}, [one, one], NOW + 86_400)

        assert notes.refusal_counts("a", NOW) == {"throttled": 402}
        assert notes.refusal_counts("a", NOW + 86_400) == {"throttled": 2}
        assert notes.refusal_counts("b", NOW) == {"quota": 1}
        assert notes.refusal_counts("c", NOW) == {}

    def test_counts_of_refusals_go_after_their_days(self, notes: ActivityStore) -> None:
        """A sweep drops what is older than the days that are told, and nothing else."""
        for days in (REFUSAL_COUNT_DAYS + 1, REFUSAL_COUNT_DAYS):
            notes.add({}, [], NOW - days * 86_400, {("a", "quota"): 1})
        notes.sweep(NOW)

        assert notes.refusal_counts("a", 0) == {"quota": 1}

    def test_what_is_long_ago_is_forgotten(self, notes: ActivityStore) -> None:
        """A sweep drops ISBNs that nobody asked for in so long, to the second."""
        notes.add({("a", isbn(1)): 1}, [], NOW - LACKING_SECONDS - 1)
        notes.add({("a", isbn(2)): 1}, [], NOW - LACKING_SECONDS)
        notes.sweep(NOW)

        assert [each.isbn for each in notes.lacking("a")] == [isbn(2)]
        assert [each.isbn for each in notes.most_lacking()] == [isbn(2)]

    def test_threads_add_at_once(self, notes: ActivityStore) -> None:
        """Of what several threads add nothing is lost."""
        refusal = RefusalRow("a", NOW, "quota", "x")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: notes.add({("a", isbn(1)): 1}, [refusal], NOW), range(40)))

        assert notes.lacking("a") == [Lacking(isbn(1), 40, NOW)]
        assert notes.refused("a") == [refusal] * 40


class HistoryContract:
    """Subclass per backend; the subclass owns `samples`, an empty HistoryStore."""

    STEPS = ((60, 3600), (3600, 86_400))

    def test_samples_add_up(self, samples: HistoryStore) -> None:
        """Two samples of one hour are one sum there, and two by the minute; each begins at its step."""
        hour = NOW - NOW % 3600
        for extra in (5, 65):
            samples.sample(self.STEPS, Sample(hour + extra, {"hit": 2, "made": extra}, {"0.1": 2}))

        assert samples.samples(3600, 0) == [Sample(hour, {"hit": 4, "made": 70}, {"0.1": 4})]
        assert [each.at for each in samples.samples(60, 0)] == [hour, hour + 60]

    def test_names_come_together(self, samples: HistoryStore) -> None:
        """What only one of two samples has is in the sum; an empty one changes nothing."""
        for answers, seconds in (({"hit": 1}, {"0.1": 1}), ({"quota": 2}, {"+Inf": 3}), ({}, {})):
            samples.sample(((60, 3600),), Sample(NOW, answers, seconds))

        (found,) = samples.samples(60, 0)
        assert (found.answers, found.seconds) == ({"hit": 1, "quota": 2}, {"0.1": 1, "+Inf": 3})

    def test_old_samples_go(self, samples: HistoryStore) -> None:
        """Each step is kept for its own time, counted from the sample that comes in."""
        for at in (NOW, NOW + 7200, NOW + 90_000):
            samples.sample(self.STEPS, Sample(at, {"hit": 1}, {}))

        assert [each.at for each in samples.samples(60, 0)] == [(NOW + 90_000) // 60 * 60]
        assert [each.at for each in samples.samples(3600, 0)] == [
            (NOW + at) // 3600 * 3600 for at in (7200, 90_000)
        ]

    def test_the_past_is_left_out(self, samples: HistoryStore) -> None:
        """Only samples from a time on are given, the oldest first, whatever order they came in."""
        for at in (NOW + 120, NOW, NOW + 60):
            samples.sample(((60, 3600),), Sample(at - at % 60, {}, {}))

        first = NOW - NOW % 60
        assert [each.at for each in samples.samples(60, first + 60)] == [first + 60, first + 120]


TODAY = datetime.fromtimestamp(NOW, UTC).date()


class DownloadsContract:
    """Subclass per backend; the subclass owns `downloads`, empty: an ActivityStore too, which sweeps."""

    def test_downloads_add_up(self, downloads: Any) -> None:
        """Counts of one account, day, size and shape are one sum; accounts are apart, or summed for all."""
        one = Download("a", TODAY, "medium", "librarything")
        downloads.add_downloads({one: 2, one._replace(size="large"): 1, one._replace(account="b"): 5})
        downloads.add_downloads({one: 3, one._replace(day=TODAY - timedelta(days=1)): 7})

        assert downloads.downloads("a", TODAY) == [
            DownloadRow(TODAY, "large", "librarything", 1), DownloadRow(TODAY, "medium", "librarything", 5),
        ]  # fmt: skip
        assert [row.count for row in downloads.downloads(None, TODAY - timedelta(days=1))] == [7, 1, 10]
        assert downloads.downloads("c", date.min) == []

    def test_a_logs_place_comes_with_its_counts(self, downloads: Any) -> None:
        """The place in a log is written with the counts, the latest stays, and logs are apart."""
        assert downloads.log_place("x") == 0
        downloads.add_downloads({Download("a", TODAY, "medium", "amazon"): 1}, LogMark("x", 70, NOW))
        downloads.add_downloads({}, LogMark("x", 140, NOW + 1))

        assert (downloads.log_place("x"), downloads.log_place("y")) == (140, 0)
        assert [row.count for row in downloads.downloads("a", TODAY)] == [1]

    def test_old_downloads_go(self, downloads: Any) -> None:
        """Days before the last thirty are forgotten; the thirtieth stays in every time zone."""
        days = [TODAY - timedelta(days=back) for back in (0, 30, 32)]
        downloads.add_downloads({Download("a", day, "medium", "amazon"): 1 for day in days})
        downloads.sweep(NOW)

        assert [row.day for row in downloads.downloads("a", date.min)] == [days[1], days[0]]
