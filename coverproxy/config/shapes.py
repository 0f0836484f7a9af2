"""The URL shapes of other services: which are on, and hosts whose addresses need no key."""

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator

from coverproxy.config.base import Section
from coverproxy.domain import schemes
from coverproxy.domain.api_key import is_host, is_name, is_secret
from coverproxy.domain.errors import SecretAsKey

ShapeName = Literal[
    "openlibrary", "openlibrary-books", "amazon", "google", "coce", "syndetics", "contentcafe", "chilifresh",
    "booksite", "buchhandel", "summon", "gbv", "bookcover", "openbd", "finna", "orb", "koha",
    "bokinfo", "iiif",
]  # fmt: skip
"""Names of the shapes; web/shapes/table.py defines each."""

SHAPE_NAMES: tuple[ShapeName, ...] = get_args(ShapeName)


class Shapes(Section):
    """The URL shapes of other services that are served as well."""

    off: Annotated[tuple[ShapeName, ...], Field(strict=False)] = ()
    hosts: dict[str, str] = Field(default={})
    schemes_off: Annotated[tuple[str, ...], Field(strict=False)] = ()
    iiif_lenient: bool = False

    @field_validator("schemes_off")
    @classmethod
    def _are_schemes(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = [name for name in schemes.ALL if name != schemes.ISBN]
        for name in names:
            if name not in known:
                raise ValueError(f"{name!r} is not a scheme that can be off; expected {', '.join(known)}")
        return names

    @field_validator("hosts")
    @classmethod
    def _are_hosts_with_keys(cls, hosts: dict[str, str]) -> dict[str, str]:
        for host, key in hosts.items():
            if not is_host(host) or host.startswith("*"):
                raise ValueError(
                    f"{host!r} is not a host; expected one in lower case, like covers.openlibrary.org"
                )
            if is_secret(key):
                raise ValueError(f"the key of {host!r}: {SecretAsKey()}")
            if not is_name(key):
                raise ValueError(
                    f"the key of {host!r} is invalid; expected one as `coverproxy key list` shows it"
                )
        return hosts
