"""Builds sources from the config, with their limits. Only this module reads secrets from the environment."""

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path

from aiohttp.abc import AbstractResolver

from coverproxy import __version__
from coverproxy import config as configuration
from coverproxy.config import AnySource, AskingConfig, resolved
from coverproxy.domain.errors import ConfigError
from coverproxy.domain.url_template import PathTemplate, Template
from coverproxy.objects.opening import open_store
from coverproxy.sources.base import Source
from coverproxy.sources.chain import Chain
from coverproxy.sources.folder import FolderSource
from coverproxy.sources.http import FetchBounds, HttpSource, Manner
from coverproxy.sources.limits import LimitedSource, Pace, RequestLimits
from coverproxy.sources.objects import ObjectSource
from coverproxy.sources.rules import Missing
from coverproxy.stats.metrics import Metrics


def by_preference(sources: Sequence[AnySource]) -> list[AnySource]:
    """Sort sources in the order they are asked: higher priority first, then config order."""
    return sorted(sources, key=lambda each: -each.priority)


def source(
    settings: AnySource,
    asking: AskingConfig,
    environ: Mapping[str, str],
    max_bytes: int,
    resolver: AbstractResolver | None = None,
) -> Source:
    """Build a source. MUST be called within a running loop. Raises ConfigError for an unset variable.

    The process must not fork afterwards: neither threads nor an object store's connections survive it.
    """
    if isinstance(settings, configuration.HttpSourceConfig):
        return _http(settings, asking, environ, max_bytes, resolver)
    if isinstance(settings, configuration.ObjectSourceConfig):
        return _objects(settings, asking, environ, max_bytes)
    root, pattern = Path(settings.dir), PathTemplate(settings.pattern)
    seconds, threads = settings.timeout_seconds, settings.concurrency
    return FolderSource(settings.name, root, pattern, max_bytes, seconds, threads)


def _http(
    settings: configuration.HttpSourceConfig,
    asking: AskingConfig,
    environ: Mapping[str, str],
    max_bytes: int,
    resolver: AbstractResolver | None,
) -> HttpSource:
    missing = Missing(
        statuses=frozenset(settings.missing_statuses),
        types=frozenset(each.lower() for each in settings.missing_types),
        redirects=settings.missing_redirects,
        hashes=frozenset(settings.missing_hashes),
        under_bytes=settings.missing_under_bytes,
    )
    bounds = FetchBounds(settings.timeout_seconds, settings.idle_seconds, settings.concurrency, max_bytes)
    headers = {name: resolved(value, environ) for name, value in settings.headers.items()}
    allowed = tuple(ipaddress.ip_network(each) for each in settings.allow)
    url = Template(resolved(settings.url, environ, in_url=True))
    manner = Manner(user_agent(asking.contact), headers, allowed)
    return HttpSource(settings.name, url, missing, bounds, manner, resolver)


def _objects(
    settings: configuration.ObjectSourceConfig,
    asking: AskingConfig,
    environ: Mapping[str, str],
    max_bytes: int,
) -> ObjectSource:
    options = {name: resolved(value, environ) for name, value in settings.options.items()}
    seconds = settings.timeout_seconds
    try:
        store = open_store(settings.url, options, settings.endpoint, seconds, user_agent(asking.contact))
    except ValueError as exc:
        raise ConfigError(f"source {settings.name}: {exc}") from None
    return ObjectSource(settings.name, store, PathTemplate(settings.key), max_bytes, seconds)


def user_agent(contact: str) -> str:
    """Return our User-Agent, with a contact (RFC 9110 §10.1.5)."""
    return f"coverproxy/{__version__}" + (f" ({contact})" if contact else "")


def chain(
    settings: Sequence[AnySource],
    asking: AskingConfig,
    environ: Mapping[str, str],
    max_bytes: int,
    pace: Pace,
    metrics: Metrics,
    resolver: AbstractResolver | None = None,
) -> Chain:
    """Build all sources. MUST be called within a running loop. Raises ConfigError."""
    gates = [
        LimitedSource(
            source(each, asking, environ, max_bytes, resolver), _manners(each, asking), pace, metrics
        )
        for each in by_preference(settings)
    ]
    return Chain(gates, side_by_side=asking.side_by_side)


def _manners(settings: AnySource, asking: AskingConfig) -> RequestLimits:
    return RequestLimits(
        settings.concurrency, settings.requests_per_second, settings.burst, asking.turn_seconds
    )
