"""How long keys may be used as they were last read, while their store cannot be."""

import time
from math import inf

from coverproxy.domain.errors import Unavailable


class Validity:
    """Over once `seconds` have passed since renew(), or since it was made. inf: never."""

    def __init__(self, seconds: float = inf) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    def renew(self) -> None:
        """Count anew: they were read just now."""
        self._until = time.monotonic() + self._seconds

    @property
    def is_over(self) -> bool:
        """Whether a key that was revoked meanwhile elsewhere may have been served for too long."""
        return time.monotonic() >= self._until

    def check(self) -> None:
        """Raise Unavailable where it is over."""
        if self.is_over:
            raise Unavailable(f"keys could not be read for {self._seconds:g} s: none is trusted any longer")
