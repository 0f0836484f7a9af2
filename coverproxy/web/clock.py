"""The header lines of a prepared answer that change with time."""

from time import time

from coverproxy.accounts.accounts import Accounts
from coverproxy.domain import http_date
from coverproxy.domain.api_key import Key
from coverproxy.web import answers

MOST_KEYS = 10_000


class Clock:
    """The time-dependent header lines, written once a second."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._second = 0
        self._date = b""
        self._quotas: dict[str, tuple[Key, int | None, bytes]] = {}

    def lines(self, key: Key, made: int | None) -> tuple[bytes, bytes]:
        """Return the lines with the date (RFC 9110 §6.6.1) and the key's quota, if what it made is known."""
        second = int(time())
        if second != self._second or len(self._quotas) > MOST_KEYS:
            self._second = second
            self._date = f"Date: {http_date.written(second)}\r\n".encode()
            self._quotas.clear()
        known = self._quotas.get(key.name)
        if known is None or known[0] is not key or known[1] != made:
            is_known = made is not None
            text = answers.quota_head(self._accounts.allowance(key)) if is_known else b""
            known = self._quotas[key.name] = (key, made, text)
        return self._date, known[2]
