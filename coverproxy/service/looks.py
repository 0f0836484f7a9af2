"""Looks for derivatives on disk, with what the catalogue knows of their originals. All of it blocks."""

import logging
from collections.abc import Callable
from dataclasses import replace

from coverproxy import log
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.spec import Spec
from coverproxy.originals.base import Catalogue

_log = logging.getLogger(__name__)


def readable(find: Callable[[Spec], Derivative | None], spec: Spec) -> Derivative | None:
    """Look for a derivative; an unreadable one counts as missing, and is made again."""
    try:
        return find(spec)
    except OSError as exc:
        log.fault(_log, "the cache cannot be read", exc)
        return None


def with_original(catalogue: Catalogue, spec: Spec, derivative: Derivative | None) -> Derivative | None:
    """Add the size of the original, if it is known; without it a header is omitted."""
    if derivative is None or derivative.original is not None:
        return derivative
    try:
        best = next((each for each in catalogue.of_item(spec.identifier) if each.is_usable), None)
    except StoreUnavailable as exc:
        log.fault(_log, "a store cannot be used", exc)
        return derivative
    return replace(derivative, original=(best.width, best.height)) if best else derivative
