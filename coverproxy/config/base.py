"""Base of all tables of the config: frozen values that know their keys, and bounded numbers."""

import ipaddress
import os.path
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kKMGT]?)(i?)B", re.ASCII)


def byte_count(value: Any) -> Any:
    """Parse "20GB" (powers of 1,000) or "512MiB" (of 1,024) to bytes; a number is returned as it is."""
    if not isinstance(value, str):
        return value
    if match := _SIZE.fullmatch(value.strip()):
        power = " KMGT".index(match[2].upper() or " ")
        return int(float(match[1]) * (1024 if match[3] else 1000) ** power)
    raise ValueError('expected a number of bytes, or a size like "20GB" or "512MiB"')


def _expanded(path: str) -> str:
    """Expand a leading ~ to the user's home, as a shell does; a folder named ~ is never meant."""
    whole = os.path.expanduser(path)  # noqa: PTH111 - pathlib raises where there is no home
    if whole.startswith("~"):
        raise ValueError("the home of that user is not known; expected a path without ~")
    # No system call takes longer ones, or NUL: they would abort a command half-way.
    if (
        "\0" in whole
        or len(os.fsencode(whole)) >= 4096
        or max(map(len, os.fsencode(whole).split(b"/"))) > 255
    ):
        raise ValueError("is not a path; expected names of at most 255 bytes, 4,095 in all, without NUL")
    return whole


def _is_host(host: str) -> str:
    """Reject an address with a port, a whole URL, or what no address has: the port has its own key."""
    if re.search(r"[/\x00-\x20\x7f]", host) or re.fullmatch(r"\[.*\](:[0-9]+)?|[^:]*:[0-9]*", host):
        raise ValueError('expected an address alone, like "127.0.0.1" or "::"; the port has its own key')
    return host


Bytes = Annotated[int, BeforeValidator(byte_count)]
"""A number of bytes; the file may give it with a unit."""
FilePath = Annotated[str, AfterValidator(_expanded)]
"""A path on this machine; ~ is the home of the user that runs the program."""
Host = Annotated[str, AfterValidator(_is_host)]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(values: tuple[str, ...]) -> tuple[Network, ...]:
    """Parse addresses and networks. Raises ValueError naming the first that is neither."""
    read: list[Network] = []
    for value in values:
        try:
            read.append(ipaddress.ip_network(value))
        except ValueError as exc:
            raise ValueError(
                f"{value!r} is not an address or network; expected one like 10.0.0.5 or 10.0.0.0/8"
            ) from exc
    return tuple(read)


def listed_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """Return a list of hosts in lower case. Raises ValueError naming the first that is not one."""
    for each in hosts:
        name, _, port = each.removeprefix("*.").partition(":")
        if not name or set("/@* ") & set(name) or (port and not port.isdigit()):
            raise ValueError(f"{each!r} is not a host; expected one like images.example.org or *.example.org")
    return tuple(each.lower() for each in hosts)


def _are_networks(values: tuple[str, ...]) -> tuple[str, ...]:
    networks(values)
    return values


Networks = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_are_networks)]
"""Addresses and networks, as text."""
Hosts = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(listed_hosts)]
"""Hosts in lower case; `*.` stands for any name below."""


class Section(BaseModel):
    """A table of the config file: frozen, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
