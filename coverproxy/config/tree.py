"""The whole config as one tree. Its defaults suit a single machine with nothing set."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from coverproxy.config.base import Section
from coverproxy.config.feeds import FeedConfig
from coverproxy.config.front import Front
from coverproxy.config.ladder import Ladder, SizeTable, named_only, table
from coverproxy.config.notices import NoticeSettings
from coverproxy.config.pages import Admin, Signup, Site
from coverproxy.config.shapes import Shapes
from coverproxy.config.sizes import Formats, Size, below, default_sizes
from coverproxy.config.sources import AnySource, AskingConfig, with_presets
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
    Quota,
    RenderConfig,
    Reports,
    Roles,
    Server,
    Upload,
)  # fmt: skip
from coverproxy.config.webhooks import WebhookConfig

MOST_FRAMED = 3
"""Most sizes that pad, and most that crop: each is one more derivative of every cover in every format."""

USUAL = "medium"
"""The size of lists, which every page needs."""

RESERVED_SIZES = frozenset({"changes", "info", "originals", "reports", "usage"})
_EVERY_ADDRESS = {"", "0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to


class Config(Section):
    """The whole config. Its defaults suit a single machine with nothing set."""

    server: Server = Server()
    front: Front = Front()
    ops: Ops = Ops()
    data: Data = Data()
    store: Store = Store()
    log: Log = Log()
    formats: Formats = Formats()
    sizes: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")], Size] = Field(
        default_factory=dict, validate_default=True
    )
    limits: Limits = Limits()
    imports: Import = Field(default=Import(), alias="import")
    upload: Upload = Upload()
    reports: Reports = Reports()
    notices: NoticeSettings = NoticeSettings()
    cache: Cache = Cache()
    render: RenderConfig = RenderConfig()
    quota: Quota = Quota()
    automated: Automated = Automated()
    roles: Roles = Roles()
    answers: Answers = Answers()
    shapes: Shapes = Shapes()
    ladder: Ladder = Ladder()
    site: Site = Site()
    signup: Signup = Signup()
    admin: Admin = Admin()
    asking: AskingConfig = AskingConfig()
    source: Annotated[tuple[AnySource, ...], Field(strict=False)] = ()
    feed: Annotated[tuple[FeedConfig, ...], Field(strict=False)] = ()
    webhook: Annotated[tuple[WebhookConfig, ...], Field(strict=False, max_length=10)] = ()

    @property
    def size_table(self) -> SizeTable:
        """Every size that is served: those named here, and the ladder's."""
        return table(self.sizes, self.ladder, has_iiif="iiif" not in self.shapes.off)

    @property
    def named_size_table(self) -> SizeTable:
        """The same for keys with named sizes only: a size in pixels leads to the next named one."""
        return named_only(self.size_table, self.sizes)

    @property
    def usual_sizes(self) -> dict[str, Size]:
        """The named sizes that the pages show, and that covers are checked for when they come in."""
        return {name: size for name, size in self.sizes.items() if size.prewarm or name == USUAL}

    @model_validator(mode="before")
    @classmethod
    def _add_default_sizes(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """Merge the file's sizes over the default ones: new boxes, or single keys of a default size.

        See sizes.below() for what a new box gets.
        """
        sizes = tree.get("sizes", {})
        if not isinstance(sizes, dict):
            return tree
        own = {name: below(name, box) for name, box in sizes.items() if isinstance(box, dict)}
        return {**tree, "sizes": merged(default_sizes() | own, sizes)}

    @field_validator("ops")
    @classmethod
    def _has_a_port_of_its_own(cls, ops: Ops, info: ValidationInfo) -> Ops:
        server = info.data.get("server")  # missing if it has mistakes itself
        if server is None or not ops.port or ops.port != server.port:
            return ops
        if server.host == ops.host or {server.host, ops.host} & _EVERY_ADDRESS:
            raise ValueError(f"port {ops.port} is also server.port; expected another, or 0 for a free one")
        return ops

    @field_validator("sizes")
    @classmethod
    def _not_reserved(cls, sizes: dict[str, Size]) -> dict[str, Size]:
        for fit, most in (("pad", MOST_FRAMED), ("crop", MOST_FRAMED), ("full", 1)):
            names = [name for name, size in sizes.items() if size.fit == fit]
            if len(names) > most:
                raise ValueError(f"{', '.join(names)} have fit = {fit!r}; expected at most {most}")
        for name in sizes.keys() & RESERVED_SIZES:
            raise ValueError(f"{name!r} is a word of the URL; expected another name")
        return sizes

    @field_validator("source", mode="before")
    @classmethod
    def _with_presets(cls, sources: Any) -> Any:
        return with_presets(sources)

    @field_validator("source")
    @classmethod
    def _have_names_of_their_own(cls, sources: tuple[AnySource, ...]) -> tuple[AnySource, ...]:
        names = [source.name for source in sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name!r} is the name of several sources; expected a unique name for each")
        return sources

    @field_validator("feed", "webhook")
    @classmethod
    def _have_each_a_name(cls, feeds: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [feed.name for feed in feeds]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name!r} is the name of several; expected another name for each")
        return feeds


def merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge one tree over another, table by table."""
    tree = dict(below)
    for name, value in above.items():
        old = tree.get(name)
        tree[name] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return tree
