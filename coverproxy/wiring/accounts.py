"""Builds keys, quota and rate limits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from math import inf

from coverproxy.accounts.accounts import Accounts
from coverproxy.config import Config
from coverproxy.service.databases import STATE, gone_on_without
from coverproxy.wiring.data_folder import DataFolder


@asynccontextmanager
async def open_accounts(
    config: Config, shelf: DataFolder, *, goes_on: bool = False
) -> AsyncIterator[Accounts]:
    """Open keys and counts. Raises StoreUnavailable, unless it *goes_on* until they can be read."""
    accounts = Accounts(
        shelf.state, shelf.state, shelf.state.rates, shelf.links, config.quota, config.automated,
        answer_within=config.render.answer_within_seconds,
        workers=None if config.store.is_shared else config.server.workers,
        roles=config.roles,
        valid_seconds=config.store.keys_valid_seconds if config.store.is_shared else inf,
    )  # fmt: skip
    try:
        with gone_on_without(shelf.stores.places[STATE]) if goes_on else nullcontext():
            await shelf.state.open()
            await accounts.open()
        yield accounts
    finally:
        await shelf.state.close()
