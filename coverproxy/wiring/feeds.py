"""Builds the import of senders' files: the sender, its rules, and the fetcher of its links."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from yarl import URL

from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.config import Config, FeedConfig
from coverproxy.config.base import networks
from coverproxy.domain.original import Terms
from coverproxy.feeds import marc, onix
from coverproxy.originals.examine import OriginalRefused, Refusal
from coverproxy.originals.feed_store import FeedFile
from coverproxy.service.feed_run import FeedRules, FeedRun
from coverproxy.service.import_steps import Sender
from coverproxy.sources.base import Validators
from coverproxy.sources.build import user_agent
from coverproxy.sources.http import FetchBounds, Manner
from coverproxy.sources.links import LinkFetcher, LinkRefused
from coverproxy.storage import ownership
from coverproxy.wiring.commands import open_importer
from coverproxy.wiring.data_folder import DataFolder

_IDLE_SECONDS = 10.0
_CONNECTIONS = 2
_DOWNLOAD_SECONDS = 6 * 3600.0


def sender_of(config: Config, feed: FeedConfig) -> Sender:
    """Say how a feed's files are read; nothing fetches its links yet."""
    return Sender(
        feed.name,
        Terms(feed.licence or None, no_crop=feed.no_crop),
        onix.OnixRules(
            frozenset(feed.audiences), ("01", "03") if feed.pack_shots else ("01",), feed.copies_linkable
        ),
        marc.MarcRules(feed.name, feed.all_isbns),
        feed.koha,
        data=Path(config.data.dir),
        now=int(time.time()),
    )


@contextmanager
def open_links(config: Config, feed: FeedConfig) -> Iterator[LinkFetcher]:
    """Open what fetches from the feed's hosts, and its own file."""
    manner = Manner(user_agent(config.asking.contact), {}, networks(feed.allow))
    bounds = FetchBounds(feed.timeout_seconds, _IDLE_SECONDS, _CONNECTIONS, config.limits.max_bytes)
    with LinkFetcher(feed.hosts, bounds, manner, feed.requests_per_second).running() as links:
        yield links


@contextmanager
def open_sender(config: Config, feed: FeedConfig) -> Iterator[Sender]:
    """Return the sender of a feed's files, with a fetcher for links to the listed hosts."""
    with open_links(config, feed) as links:
        yield replace(sender_of(config, feed), fetch=partial(_fetched, links) if feed.hosts else None)


def _fetched(links: LinkFetcher, address: str, most: int) -> tuple[bytes, int | None]:
    try:
        return links.get(address, most)
    except LinkRefused as exc:
        raise OriginalRefused(exc.reason, exc.detail) from None


@contextmanager
def open_feed(
    config: Config, feed: FeedConfig, shelf: DataFolder, on_refusal: Callable[[Refusal], None],
    on_batch: Callable[[str, int], None],
) -> Iterator[tuple[FeedRun, Path]]:  # fmt: skip
    """Open what reads a feed's files, and name their folder. One process at a time reads one feed."""
    locks = FileLocks(shelf.data / "feeds" / "locks")
    locks.remove_earlier()
    folder = Path(feed.dir) if feed.dir else shelf.data / "feeds" / feed.name
    rules = FeedRules(feed.done == "move" and bool(feed.dir), feed.full, feed.most_withdrawn)
    try:
        with (
            open_sender(config, feed) as sender,
            open_importer(config, shelf, on_refusal) as importer,
        ):
            # Of our own data folder, only what a URL gave is theirs.
            theirs = sender if feed.dir else replace(sender, data=None)
            yield (
                FeedRun(importer, theirs, rules, on_refusal, on_batch, partial(locks.held, feed.name)),
                folder,
            )
    finally:
        locks.close()


def download(config: Config, feed: FeedConfig, shelf: DataFolder) -> Path | None:
    """Fetch a feed's file into its folder; None where it is the same as last time. Raises LinkRefused."""
    url, feeds = URL(feed.url), shelf.catalogue.feeds
    own = feed.model_copy(
        update={"hosts": (url.authority,), "timeout_seconds": _DOWNLOAD_SECONDS, "requests_per_second": 1.0}
    )
    folder = shelf.data / "feeds" / feed.name
    ownership.make_folder(folder)
    path = folder / (Path(url.path).name.lstrip(".") or "feed")
    known = feeds.file(feed.name, feed.url)
    etag, _, modified = known.stamp.partition("\n") if known else ("", "", "")
    with open_links(config, own) as links:
        said = links.save(feed.url, path, feed.max_bytes, Validators(etag or None, modified or None))
    if said is None:
        return None
    stamp, now = f"{said.etag or ''}\n{said.modified or ''}", int(time.time())
    feeds.note_file(FeedFile(feed.name, feed.url, stamp, now * 1000, ended=now))
    return path
