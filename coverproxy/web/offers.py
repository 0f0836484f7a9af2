"""The formats of each size, worked out once: every request for a cover asks for them."""

from typing import NamedTuple

from coverproxy.config import Config
from coverproxy.domain.formats import Format


class Offer(NamedTuple):
    """The formats that a size is available in, and those beside JPEG that clients get which name them."""

    formats: frozenset[Format]
    better: frozenset[Format]


class Offers(dict[str, Offer]):
    """By the names of sizes on disk."""


def offers(config: Config) -> Offers:
    """Return those of every size that is served."""
    enabled = config.formats.enabled
    return Offers(
        {
            name: Offer(enabled & size.formats, size.offered(config.formats))
            for name, size in config.size_table.sizes.items()
        }
    )
