"""The configuration: a tree of frozen values with their defaults; units stand in the names."""

from coverproxy.config.base import Section
from coverproxy.config.front import Front
from coverproxy.config.loading import PREFIX, load
from coverproxy.config.pages import MAX_PLACEHOLDER_BYTES, Admin, Signup, Site
from coverproxy.config.sizes import Avif, Formats, Jpeg, Size, Webp
from coverproxy.config.sources import (
    AnySource,
    Asking,
    FolderSource,
    HttpSource,
    ObjectSource,
    Source,
    resolved,
    unset,
)
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
    "MAX_PLACEHOLDER_BYTES", "PREFIX", "RESERVED_SIZES", "Admin", "Answers", "AnySource", "Asking",
    "Automated",
    "Avif", "Cache", "Config", "Data", "FolderSource", "Formats", "Front", "HttpSource", "Import", "Jpeg",
    "Limits", "Log", "ObjectSource", "Ops", "Quota", "Render", "Section", "Server", "Signup", "Site", "Size",
    "Source", "Webp", "load", "resolved", "unset",
]  # fmt: skip
