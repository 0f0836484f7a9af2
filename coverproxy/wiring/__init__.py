"""Builds every service from the config, one module per concern. Only this package knows all the parts."""

from coverproxy.wiring.accounts import open_accounts
from coverproxy.wiring.commands import open_contributor, open_importer, open_warmer
from coverproxy.wiring.covers import open_covers
from coverproxy.wiring.data_folder import DataFolder, open_shelf
from coverproxy.wiring.decoding import open_guard
from coverproxy.wiring.feeds import download, open_feed, open_sender
from coverproxy.wiring.pages import open_desk
from coverproxy.wiring.sources import open_asking, open_sources

__all__ = [
    "DataFolder",
    "download",
    "open_accounts",
    "open_asking",
    "open_contributor",
    "open_covers",
    "open_desk",
    "open_feed",
    "open_guard",
    "open_importer",
    "open_sender",
    "open_shelf",
    "open_sources",
    "open_warmer",
]
