"""The configuration: a tree of frozen values with their defaults. Names end in the unit."""

from coverproxy.config.base import Section
from coverproxy.config.feeds import FeedConfig
from coverproxy.config.front import Front
from coverproxy.config.ladder import Ladder, SizeTable
from coverproxy.config.loading import PREFIX, load, without_secrets
from coverproxy.config.notices import NoticeSettings
from coverproxy.config.pages import MAX_PLACEHOLDER_BYTES, Admin, Signup, Site
from coverproxy.config.shapes import SHAPE_NAMES, ShapeName, Shapes
from coverproxy.config.sizes import Avif, Formats, Jpeg, Size, Webp
from coverproxy.config.sources import (
    AnySource,
    AskingConfig,
    FolderSourceConfig,
    HttpSourceConfig,
    ObjectSourceConfig,
    SourceConfig,
    resolved,
    unset,
    unset_options,
)
from coverproxy.config.store import Store
from coverproxy.config.tables import (
    Answers,
    Automated,
    Cache,
    Data,
    Import,
    Limits,
    Log,
    Ops,
    Pace,
    Quota,
    RenderConfig,
    Reports,
    Roles,
    Server,
    Upload,
)  # fmt: skip
from coverproxy.config.tree import RESERVED_SIZES, Config

__all__ = [
    "MAX_PLACEHOLDER_BYTES", "PREFIX", "RESERVED_SIZES", "SHAPE_NAMES", "Admin", "Answers", "AnySource",
    "AskingConfig", "Automated", "Avif", "Cache", "Config", "Data", "FeedConfig", "FolderSourceConfig",
    "Formats", "Front", "HttpSourceConfig", "Import", "Jpeg", "Ladder", "Limits", "Log", "NoticeSettings",
    "ObjectSourceConfig", "Ops", "Pace", "Quota", "RenderConfig", "Reports", "Roles", "Section", "Server",
    "ShapeName", "Shapes",
    "Signup", "Site", "Size", "SizeTable", "SourceConfig", "Store", "Upload", "Webp", "load", "resolved",
    "unset", "unset_options", "without_secrets",
]  # fmt: skip
