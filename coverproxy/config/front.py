"""The web server in front: whose forwarded headers to trust, and the values for its own configuration."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from coverproxy.config.base import Network, Networks, Section, networks


class Front(Section):
    """The web server in front of the app."""

    trusted: Networks = ("127.0.0.1", "::1")
    public_url: str = ""
    x_accel: bool = False
    apps: Annotated[tuple[str, ...], Field(strict=False)] = ()
    listen: Annotated[tuple[str, ...], Field(strict=False)] = ("80", "[::]:80")
    listen_tls: Annotated[tuple[str, ...], Field(strict=False)] = ("443", "[::]:443")
    access_log: str = "/var/log/nginx/coverproxy.log"
    access_log_addresses: Literal["network", "whole"] = "network"
    downloads_log: str = ""
    tls: Literal["off", "http1", "http2"] = "off"
    certificate: str = "/etc/letsencrypt/live/coverproxy/fullchain.pem"
    certificate_key: str = "/etc/letsencrypt/live/coverproxy/privkey.pem"
    acme_root: str = "/var/www/acme"
    open_files: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    open_file_seconds: Annotated[int, Field(ge=1, le=60)] = 4
    requests_per_second: Annotated[int, Field(ge=1)] = 50
    burst: Annotated[int, Field(ge=0)] = 200
    browser_requests_per_second: Annotated[int, Field(ge=1)] = 300
    browser_burst: Annotated[int, Field(ge=0)] = 1000

    @field_validator(
        "listen",
        "listen_tls",
        "apps",
        "certificate",
        "certificate_key",
        "acme_root",
        "access_log",
        "downloads_log",
    )
    @classmethod
    def _fit_nginx(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        """Reject characters that would end a directive, or begin another, in the generated text."""
        for word in (value,) if isinstance(value, str) else value:
            if re.search(r"[\x00-\x20\x7f;{}\"'$\\#]", word):
                raise ValueError(f"{word!r} is not allowed in nginx's configuration; expected one plain word")
        return value

    @field_validator("listen", "listen_tls")
    @classmethod
    def _have_ports(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if not re.fullmatch(r"unix:/.+|(\[[^]]+\]:|[^][:]+:)?[0-9]{1,5}", value, re.ASCII):
                raise ValueError(f"{value!r} has no port; expected one like 443, [::]:443 or unix:/path")
        return values

    @field_validator("apps")
    @classmethod
    def _are_addresses(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if not re.fullmatch(r"unix:/.+|.+:[0-9]{1,5}", value):
                raise ValueError(f"{value!r} is not the address of an app; expected host:port or unix:/path")
        return values

    @field_validator("public_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parts = urlsplit(value)
        is_plain = re.fullmatch(r"(?:/(?!\.)[A-Za-z0-9._~-]+)*/?", parts.path) and not (
            parts.query or parts.fragment
        )
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or not is_plain):
            raise ValueError(
                f"{value!r} is not the address of a site; expected one like https://covers.example.org or "
                "https://library.example.org/covers"
            )
        return value.rstrip("/")

    @property
    def public_path(self) -> str:
        """The path of the public address, such as "/covers"; "" at a site's root."""
        return urlsplit(self.public_url).path

    @property
    def networks(self) -> tuple[Network, ...]:
        """The trusted addresses, as networks."""
        return networks(self.trusted)
