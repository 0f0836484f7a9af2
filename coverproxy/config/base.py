"""What every table of the config is made of: frozen values that know their keys, and bounded numbers."""

import ipaddress
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(values: tuple[str, ...]) -> tuple[Network, ...]:
    """Read addresses and networks. Raises ValueError that names the first that is none."""
    read: list[Network] = []
    for value in values:
        try:
            read.append(ipaddress.ip_network(value))
        except ValueError as exc:
            raise ValueError(
                f"{value!r} is no address or network; expected one like 10.0.0.5 or 10.0.0.0/8"
            ) from exc
    return tuple(read)


class Section(BaseModel):
    """A table of the config file: frozen, and no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
