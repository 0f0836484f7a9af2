"""The cache folders for the settings: current revisions, and those of earlier versions that stay valid."""

from collections.abc import Iterator
from functools import lru_cache

from coverproxy.cache.layout import Equal, Former, Revisions
from coverproxy.config import Config, Size, former_defaults
from coverproxy.config.ladder import SizeTable, rung
from coverproxy.config.sizes import STEPS, default_sizes, nearest_name
from coverproxy.domain.formats import Format
from coverproxy.imaging.render import AS_GOOD_SINCE, REVISION

_RENDERERS = range(AS_GOOD_SINCE, REVISION + 1)


def revisions(config: Config) -> tuple[Revisions, Former, Equal]:
    """Return the current revisions, those of a layout v1 cache by their names, and the folders that count
    as current.

    New defaults or a new renderer alone render nothing again: a library would see the same covers for days of
    work. Settings that the operator changed do.
    """
    table = config.size_table
    sizes = table.sizes
    present = {(name, form): size.revision(form, REVISION) for name, size in sizes.items() for form in Format}
    v1 = {name: _of_v1(name, size) for name, size in config.sizes.items()}
    former = {
        (name, revision): {form: present[name, form] for form in Format}
        for name, revisions_of_v1 in v1.items()
        for revision in revisions_of_v1
    }
    equal = {
        (name, form): tuple(_equals(table, name, form, v1.get(name, ()), its_present))
        for (name, form), its_present in present.items()
    }
    return present, former, equal


def switched_off(config: Config) -> frozenset[tuple[str, Format]]:
    """Return the formats of sizes that nobody gets; JPEG always is on."""
    sizes, enabled = config.size_table.sizes, config.formats.enabled
    return frozenset(
        (name, form) for name, size in sizes.items() for form in Format if form not in enabled & size.formats
    )


def _defaults(name: str, size: Size) -> Iterator[tuple[Size, int]]:
    """Yield the defaults that a size's settings may come from, each with its width.

    There are two for a size of the operator's own that later became one by default: xlarge.
    """
    if name.startswith("w") and name[1:].isdigit():
        yield rung(size.width), size.width
        return
    known = default_sizes()
    names = [name] if name in known else []
    names += [] if name in STEPS else [nearest_name(size.height)]
    for each in names:
        default = Size(**known[each])
        yield default, default.width


# Cached: a process that opens several caches computes the same hundreds of digests for each.


@lru_cache(maxsize=256)
def _of_v1(name: str, size: Size) -> tuple[str, ...]:
    return tuple(
        revision
        for default, width in _defaults(name, size)
        for each in former_defaults.combined(size, default, width)
        for revision in each.former_revisions(_RENDERERS)
    )


@lru_cache(maxsize=256)
def _since_v1(name: str, size: Size, form: Format) -> tuple[str, ...]:
    return tuple(
        each.revision(form, renderer)
        for default, width in _defaults(name, size)
        for each in former_defaults.equals(size, default, width, form)
        for renderer in _RENDERERS
    )


def _equals(table: SizeTable, name: str, form: Format, v1: tuple[str, ...], present: str) -> Iterator[str]:
    """Yield the folders below `img` whose derivatives are as good as the current ones.

    A cache of v1 that a version between took over has v1's names. A rung that became a named size has the
    rung's.
    """
    size = table.sizes[name]
    spellings = [name, *(alias for alias, its_name in table.aliases.items() if its_name == name)]
    for spelling in spellings:
        for revision in dict.fromkeys([*_since_v1(spelling, size, form), *v1]):
            if (spelling, revision) != (name, present):
                yield f"{spelling}/{form.value}/{revision}"
