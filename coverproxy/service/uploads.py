"""Uploads: bounded while they arrive, ingested like other originals, and idempotent."""

import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import orjson
from pydantic import Field
from typing_extensions import TypedDict  # pydantic does not read the one of typing before 3.12

from coverproxy.accounts.stores import RateLimiter
from coverproxy.config import Upload
from coverproxy.domain.errors import BadQuestion, Busy, SentTwice, TooFast, TooLarge
from coverproxy.domain.json_fields import Count, Digest, Isbn13, Px
from coverproxy.domain.original import DIGEST_BYTES
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.originals.base import Catalogue
from coverproxy.service.contribute import Contribution, ContributionResult, Contributor, take
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.linked_upload import linked
from coverproxy.service.receive import received

_log = logging.getLogger(__name__)


class UploadJson(TypedDict):
    """What became of a picture that was sent."""

    identifier: Annotated[str, Field(description="scheme:value")]
    isbn13: Annotated[Isbn13 | None, Field(description="The same, if it is an ISBN.")]
    digest: Digest
    status: ContributionResult
    width: Px
    height: Px
    bytes: Count
    type: Annotated[str, Field(description="jpeg, png, webp, gif, tiff or heif.")]


class Uploads:
    """Handles the uploads of one process. `now`: returns seconds since 1970."""

    def __init__(
        self,
        catalogue: Catalogue,
        contributor: Contributor,
        fetcher: OriginalFetcher,
        rates: RateLimiter,
        config: Upload,
        most_bytes: int,
        now: Callable[[], float] = time.time,
        agent: str = "coverproxy",
    ) -> None:
        self._catalogue = catalogue
        self._contributor = contributor
        self._fetcher = fetcher
        self._rates = rates
        self._config = config
        self._now = now
        self._agent = agent
        self._most = min(config.max_bytes, most_bytes)
        self._free = config.at_once

    async def take(
        self, chunks: AsyncIterator[bytes], length: int | None, book: Identifier, said: Contribution,
        account: str, once: str,
    ) -> tuple[int, UploadJson]:  # fmt: skip
        """Receive a picture for a book and ingest it; return the answer's status and JSON.

        *length*: bytes, if the client says so. *account*: the one to count the upload for. *once*: the
        client's idempotency key, or "". Raises TooLarge, TooSlow, TooFast, Busy, SentTwice, BadPicture,
        BadQuestion, Unavailable.
        """
        if length is not None and length > self._most:
            raise TooLarge(f"the picture has {length} bytes; expected at most {self._most}")
        self._find_place()  # before the pace is taken: without a place nothing was sent
        await self._pace(account, said)
        self._find_place()
        self._free -= 1
        try:
            path = self._contributor.incoming()
            async with received(chunks, path, self._most, self._config.seconds):
                return await self._take(path, book, said, _once_key(account, str(book), once))
        finally:
            self._free += 1

    def _find_place(self) -> None:
        if not self._free:
            raise Busy("too many uploads are in progress")

    def at(self, url: str) -> AsyncIterator[bytes]:
        """Return the chunks of the picture at an address, for take(). Raises BadQuestion if that is off."""
        if not self._config.hosts:
            raise BadQuestion("pictures cannot be sent by their address here; send the file")
        return linked(url, self._config, self._most, self._agent)

    async def _pace(self, account: str, said: Contribution) -> None:
        """Limit uploads per hour, and the number that wait for a review."""
        pending = 0 if said.is_trusted else await self._fetcher.off_loop(self._catalogue.count_pending)
        if not said.is_trusted and pending >= self._config.max_pending:
            raise Busy("too many pictures wait for a review; try again later")
        a_second = self._config.per_hour / 3600
        if wait := await self._rates.take("upload", account, self._now(), a_second, self._config.per_hour):
            raise TooFast(account, wait)

    async def _take(
        self, path: Path, book: Identifier, said: Contribution, once: str
    ) -> tuple[int, UploadJson]:
        decisions = self._catalogue.decisions
        digest = await self._fetcher.off_loop(partial(_digest, path))
        if once and (before := await self._fetcher.off_loop(partial(decisions.answered, once))):
            if before[0] != digest:
                raise SentTwice("another picture was sent with this Idempotency-Key")
            sent: UploadJson = orjson.loads(before[1])
            return 200, sent
        original, outcome = await take(self._contributor, self._fetcher, path, book, said)
        told: UploadJson = {
            "identifier": str(book), "isbn13": book.value if book.scheme == ISBN else None,
            "digest": original.digest.hex(), "status": outcome, "width": original.width,
            "height": original.height, "bytes": original.bytes, "type": original.loader.value,
        }  # fmt: skip
        _log.info(
            "an original was uploaded", extra={"of": str(book), "by": said.who, "status": outcome.value}
        )
        if once:
            answer = orjson.dumps(told).decode()
            note = partial(decisions.note_answer, once, int(self._now()), digest, answer)
            await self._fetcher.off_loop(note)
        return (202 if outcome is ContributionResult.PENDING else 201), told


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()[:DIGEST_BYTES]


def _once_key(account: str, book: str, once: str) -> str:
    """Return the key that an answer is stored under; clients cannot reach each other's."""
    return hashlib.sha256(f"{account}\n{book}\n{once}".encode()).hexdigest() if once else ""
