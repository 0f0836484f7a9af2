"""Lists of originals by their state: those that wait, that ended, that cannot be rendered."""

from coverproxy.domain.original import GONE, QUARANTINED, Original
from coverproxy.originals.sqlite_original_row import COLUMNS, any_original
from coverproxy.originals.sqlite_rows import readable
from coverproxy.storage.sqlite_file import Run


class SqliteLists:
    """The part of CatalogueTables that lists. *read* runs a statement."""

    def __init__(self, read: Run) -> None:
        self._read = read

    def pending(self, most: int) -> list[Original]:
        """See CatalogueTables."""
        return self._some("state = 'pending' ORDER BY added", most)

    def count_pending(self) -> int:
        """See CatalogueTables."""
        return int(self._read("SELECT count(*) FROM original WHERE state = 'pending'")[0][0])

    def outdated(self, now: int, most: int) -> list[Original]:
        """See CatalogueTables."""
        return self._some("until <= ? AND state IS NULL", most, now)

    def corrupt(self, most: int) -> list[Original]:
        """See CatalogueTables."""
        return self._some(f"fault IS NOT NULL AND fault NOT LIKE '{QUARANTINED}%' ORDER BY added DESC", most)

    def misjudged(self, judged: int, most: int) -> list[Original]:
        """See CatalogueTables."""
        other = f"fault NOT LIKE '{QUARANTINED}%' AND fault NOT LIKE '{GONE}%'"
        return self._some(f"fault IS NOT NULL AND {other} AND judged < ?", most, judged)

    def _some(self, condition: str, most: int, *values: int) -> list[Original]:
        sql = f"SELECT scheme, value, {COLUMNS} FROM original WHERE {condition} LIMIT ?"  # noqa: S608
        return readable(self._read(sql, (*values, most)), any_original)
