"""The object store that a config names. What it needs takes long to import: only where there is one."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from coverproxy import log
from coverproxy.config import Config, resolved
from coverproxy.domain.errors import ConfigError
from coverproxy.objects.base import Objects

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from coverproxy.cache.second_tier import SecondTier
    from coverproxy.stats.metrics import Metrics
    from coverproxy.wiring.data_folder import DataFolder

_log = logging.getLogger(__name__)


def objects(config: Config) -> Objects | None:
    """Return the object store, None if the config names none; nothing is asked. Raises ConfigError."""
    store = config.store
    if not store.objects:
        return None
    from coverproxy.objects.opening import open_store
    from coverproxy.objects.shared import SharedObjects
    from coverproxy.sources.build import user_agent

    if store.objects.startswith("file:"):
        return SharedObjects(_folder(store.objects), store.objects, store.objects_timeout_seconds)
    options = {name: resolved(value, os.environ) for name, value in store.objects_options.items()}
    seconds = store.objects_timeout_seconds
    try:
        opened = open_store(
            store.objects, options, store.objects_endpoint, seconds, user_agent(config.asking.contact)
        )
    except ValueError as exc:
        raise ConfigError(f"store.objects: {exc}") from None
    return SharedObjects(lambda: opened, store.objects, seconds)


def _folder(url: str) -> "Callable[[], ObjectStore]":
    """Open a folder at each request: an unmounted one is unavailable, not empty."""
    from obstore.store import LocalStore

    root = Path(unquote(urlsplit(url).path))

    def opening() -> "ObjectStore":
        if not root.is_dir():
            raise NotADirectoryError(str(root))
        return LocalStore(root)

    return opening


@contextmanager
def second_tier(shelf: "DataFolder", metrics: "Metrics", seconds: float) -> "Iterator[SecondTier | None]":
    """Open the second tier, where there is an object store; at the end write what waits, within *seconds*."""
    if shelf.objects is None:
        yield None
        return
    from coverproxy.cache.second_tier import SecondTier

    shelf.objects.on_state = _told(metrics, shelf.objects)
    metrics.objects_up.set(1)
    tier = SecondTier(shelf.objects, shelf.layout, metrics)
    tier.start()
    try:
        yield tier
    finally:
        tier.close(seconds)


def _told(metrics: "Metrics", store: Objects) -> Callable[[str], None]:
    def told(fault: str) -> None:
        metrics.objects_up.set(0 if fault else 1)
        if fault:
            log.fault(_log, "the object store is away", fault, of="objects", place=store.place)
        else:
            _log.info("the object store answers again", extra={"place": store.place})

    return told
