"""The day that covers are counted by, in the quota's time zone."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as day_time
from zoneinfo import ZoneInfo


class QuotaDay:
    """The current day. `now` gives seconds since 1970. Recomputed when the day has ended."""

    def __init__(self, zone: ZoneInfo, now: Callable[[], float]) -> None:
        self._zone = zone
        self._now = now
        self._today = date.min, datetime.min
        self._began = self._ends = 0.0

    def today(self) -> date:
        """The day."""
        return self._look()[0]

    def end(self) -> tuple[datetime, int]:
        """When the day ends (UTC), and in how many seconds, 1 at least."""
        midnight = self._look()[1]
        return midnight, max(int(self._ends - self._now()), 1)

    def _look(self) -> tuple[date, datetime]:
        now = self._now()
        if not self._began <= now < self._ends:
            moment = datetime.fromtimestamp(now, self._zone)
            midnight = datetime.combine(moment.date() + timedelta(days=1), day_time(), self._zone)
            self._today = moment.date(), midnight.astimezone(UTC)
            # a clock set back may be in another day: recompute
            self._began, self._ends = now, midnight.timestamp()
        return self._today
