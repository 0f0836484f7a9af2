"""The configuration: a tree of frozen values with their defaults; units stand in the names."""

from coverproxy.config.base import Section
from coverproxy.config.front import Front
from coverproxy.config.loading import PREFIX, load
from coverproxy.config.sizes import Avif, Formats, Jpeg, Size, Webp
from coverproxy.config.tables import (
    Answers,
    Automated,
    Cache,
    Data,
    Import,
    Limits,
    Log,
    Ops,
    Quota,
    Render,
    Server,
)  # fmt: skip
from coverproxy.config.tree import RESERVED_SIZES, Config

__all__ = [
    "PREFIX", "RESERVED_SIZES", "Answers", "Automated", "Avif", "Cache", "Config", "Data", "Formats", "Front",
    "Import", "Jpeg", "Limits", "Log", "Ops", "Quota", "Render", "Section", "Server", "Size", "Webp", "load",
]  # fmt: skip
