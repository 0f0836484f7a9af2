"""nginx's configuration, generated from the app's config: a pure function from values to text."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from coverproxy.config import Config, Front
from coverproxy.deploy.nginx_addresses import DOWNLOAD_SHAPES, addresses
from coverproxy.deploy.template import filled
from coverproxy.domain import address_bounds
from coverproxy.domain.api_key import KEY_PREFIX, NAME_PATTERN
from coverproxy.domain.formats import PLACEHOLDER_FILE, Format

ACCEL = "/_cover/"
"""The internal location used in X-Accel-Redirect; the rest is a path below the cache's `img`."""

ACCEL_HEADERS = (
    "Vary", "X-Cover-Status", "X-Cover-Size", "X-Cover-Original", "RateLimit", "RateLimit-Policy",
    "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers", "Cross-Origin-Resource-Policy", "Timing-Allow-Origin",
    "X-Content-Type-Options", "Server-Timing", "Content-Location",
)  # fmt: skip
"""Headers that nginx drops from an answer with X-Accel-Redirect.

It keeps Content-Type, Cache-Control, Set-Cookie, Accept-Ranges and Expires
(ngx_http_upstream_process_headers), and makes the validators itself.
"""

USUAL_FILES = 1024
"""The usual limit of open files per process (RLIMIT_NOFILE, soft)."""

DEBIAN_CONNECTIONS = 768
"""worker_connections in Debian's nginx.conf, which usually includes the printed file."""

_OWN_FILES = 64
"""Files that a worker always has open: listening sockets, logs, libraries, its line to the master."""

FITTING_CONNECTIONS = (USUAL_FILES - _OWN_FILES) // 2
"""worker_connections of whole() without open files: as many as the usual limit allows."""


FORM_BYTES = 65_536
"""What a form has besides the picture."""


def site(config: Config, root: Path, headers: Mapping[str, Mapping[str, str]]) -> str:
    """Return the part for nginx's http context: maps, limits, upstream and server.

    *root*: the cache's top folder. *headers*: the app's headers of a hit ("hit"), of one that a better format
    is to follow ("interim"), of an answer while the app is down ("down"), of a throttled response
    ("throttled"), of a request that nginx cannot read ("unread") or decode ("coded"), and of one whose
    address or headers are too long ("long") or whose body is too large ("large").
    """
    return filled(
        "nginx.conf.jinja",
        root=root,
        peer="app",
        apps=[server(app) for app in config.front.apps or (f"{config.server.host}:{config.server.port}",)],
        admin_header=config.admin.header,
        placeholder=PLACEHOLDER_FILE,
        accel=ACCEL,
        accel_headers=ACCEL_HEADERS,
        **listening(config),
        **addresses(config),
        **_formats(config),
        **_bounds(config),
        **_logs(config.front),
        **_headers(config, headers),
    )


def _bounds(config: Config) -> dict[str, Any]:
    """Return the bounds of addresses, bodies, connections and open files."""
    return {
        "max_path": address_bounds.MAX_PATH_BYTES,
        "long_paths": address_bounds.LONG_PATHS,
        "max_long_path": address_bounds.MAX_LONG_PATH_BYTES,
        "max_segments": address_bounds.MAX_SEGMENTS,
        "max_query": address_bounds.MAX_QUERY_BYTES,
        "many_at_once": "|".join(sorted(address_bounds.MANY_AT_ONCE)),
        "list_at_root": address_bounds.LIST_AT_ROOT,
        "upload_bytes": config.upload.max_bytes + FORM_BYTES,
        "connections": DEBIAN_CONNECTIONS,
        "files_needed": files_needed(config.front.open_files),
        "usual_files": USUAL_FILES,
    }


def _logs(front: Front) -> dict[str, Any]:
    """Return what nginx logs: requests, and downloads by whom other fronts do not count them already."""
    return {
        "access_log": partial(_access_log, front.access_log),
        "downloads_log": front.downloads_log,
        "download_shapes": DOWNLOAD_SHAPES,
        "fronts": [str(network) for network in front.networks if not network.is_loopback],
        "trusted": [str(network) for network in front.networks],
    }


def _access_log(file: str, log_format: str) -> str:
    return f"{file} {log_format} buffer=64k flush=5s" if file else "off"


def _headers(config: Config, headers: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the headers of each case, and how long a hit is kept."""
    kept = _kept(headers, _is_making(config))
    return {
        "keep": headers["hit"]["Cache-Control"],
        "immutable": headers["versioned"]["Cache-Control"],
        **{f"{case}_headers": quotable(told.items()) for case, told in kept.items()},
    }


def listening(config: Config) -> dict[str, Any]:
    """Return what the templates say of addresses, names and certificates."""
    front = config.front
    return {
        "front": front,
        "key": NAME_PATTERN,
        "key_prefix": KEY_PREFIX,
        "listen": front.listen,
        "listen_tls": front.listen_tls,
        "tls": front.tls != "off",
        "http2": front.tls == "http2",
        "tls_port": _tls_port(config),
        "server_name": urlsplit(front.public_url).hostname or "_",
    }


def whole(config: Config, root: Path, headers: Mapping[str, Mapping[str, str]], workers: str = "auto") -> str:
    """Return a whole nginx.conf around site(): for a machine, a container or a test without another."""
    return around(site(config, root, headers), config.front.open_files, workers)


def around(text: str, open_files: int, workers: str = "auto") -> str:
    """Return a whole nginx.conf around the part for its http context.

    It raises a limit only if *open_files* needs it: raising one above the hard limit fails.
    """
    inside = "".join(f"    {line}".rstrip() + "\n" for line in text.splitlines())
    if open_files:
        limit, connections = f"worker_rlimit_nofile {files_needed(open_files)};\n", DEBIAN_CONNECTIONS
    else:
        limit, connections = "", FITTING_CONNECTIONS
    return f"""\
worker_processes {workers};
{limit}pcre_jit on;
events {{
    # Each may take two files of the limit, usually {USUAL_FILES}: more needs worker_rlimit_nofile.
    worker_connections {connections};
}}
http {{
{inside}}}
"""


def files_needed(open_files: int) -> int:
    """Return how many files a worker of nginx may need: those kept open, two per connection, and its own."""
    return open_files + 2 * DEBIAN_CONNECTIONS + _OWN_FILES


BETTER = (Format.AVIF, Format.WEBP)
"""The formats beside JPEG, and which goes first where a client takes both, as in web/accept.py."""

_NAMED = r"(?=(?:.*,)?[ \t]*image/{}[ \t]*(?:,|$))"
_TAKES_JPEG = r"(?=(?:.*,)?[ \t]*(?:image/jpeg|image/\*|\*/\*)[ \t]*(?:,|;|$))"


_BROWSERS = (
    "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
    "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
    "image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,"
    "image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
)
"""What Chrome, Firefox and Safari send for an image: compared first, as most readers have one of them."""


def _formats(config: Config) -> dict[str, Any]:
    """Return what the maps of formats are made from.

    `known`, `accepts`: expressions for Accept headers, and the formats that each names beside JPEG; with
    `known` also what a hit is, if it is the same for all sizes. `chains`: by named formats and size, the
    formats to try; plain keys, which nginx finds by hash. `later`: the ends of the variables of the second
    and third format, if there are so many.
    """
    on = [form for form in BETTER if form in config.formats.enabled]
    named = [on[:2], *([form] for form in on)] if len(on) > 1 else [on] if on else []
    offers = _offers(config, on)
    chains = _chains(named, offers)
    return {
        "better": [form.value for form in on],
        "known": [(re.escape(accept), _told(on), _only_first(chains, _told(on))) for accept in _BROWSERS],
        "accepts": [
            ("^" + "".join(_NAMED.format(form.value) for form in each) + _TAKES_JPEG, _told(each))
            for each in named
        ],
        "chains": chains,
        "later": ["2", "3"][: max(map(len, offers.values()))],
        "is_making": _is_making(config),
    }


def _is_making(config: Config) -> bool:
    """Return whether better formats follow after the first."""
    on = [form for form in BETTER if form in config.formats.enabled]
    return bool(any(_offers(config, on).values()) and config.formats.background_cores)


def _offers(config: Config, on: Sequence[Format]) -> dict[str, list[Format]]:
    """Return the formats beside JPEG that each size offers, by its name and its aliases."""
    table = config.size_table
    boxes = {**table.sizes, **{alias: table.sizes[name] for alias, name in table.aliases.items()}}
    return {name: [form for form in on if form in box.offered(config.formats)] for name, box in boxes.items()}


def _chains(
    named: Iterable[Sequence[Format]], offers: Mapping[str, Sequence[Format]]
) -> list[tuple[str, list[str]]]:
    """Return for each set of named formats and each size the formats to try; "ask" leaves it to the app.

    With the empty set: what is not among them is compared with expressions, which takes longer.
    """
    chains = {
        f"{_told(each)} {name} ": _chain(form for form in offered if form in each)
        for each in (*named, ())
        for name, offered in offers.items()
    }
    return sorted((chains | {f"ask {name} ": ["ask", "", ""] for name in offers}).items())


def _only_first(chains: Iterable[tuple[str, Sequence[str]]], takes: str) -> str:
    """Return the format that is tried first for every size, where there is only one; else ""."""
    firsts = {chain[0] for key, chain in chains if key.startswith(f"{takes} ")}
    return firsts.pop() if len(firsts) == 1 else ""


def _told(forms: Iterable[Format]) -> str:
    return "".join(f"<{form.value}>" for form in forms)


def _chain(better: Iterable[Format]) -> list[str]:
    """Return three formats to try; "" where there are fewer."""
    return [*(form.value for form in better), Format.JPEG.value, "", ""][:3]


def _kept(headers: Mapping[str, Mapping[str, str]], is_making: bool) -> dict[str, dict[str, str]]:
    """Return all headers, with those of a hit with a version, and of a format that is not the best, "next".

    Cache-Control with a version is a variable; where a better format is to follow, it is as that case says.
    """
    versioned = {**headers["hit"], "Cache-Control": "$coverproxy_keep"}
    interim = {**versioned, "Cache-Control": headers["interim"]["Cache-Control"]}
    return {
        **{case: dict(told) for case, told in headers.items() if case != "interim"},
        "versioned": versioned,
        "next": interim if is_making else versioned,
    }


def _tls_port(config: Config) -> str:
    """Return the public https port as it is written in an address; empty for 443.

    Taken from front.public_url, since ports may be mapped on the way; else the port that nginx listens on.
    """
    public = urlsplit(config.front.public_url)
    if public.scheme == "https":
        port = public.port or 443
    else:
        ports = (each.rpartition(":")[2] for each in config.front.listen_tls)
        port = next((int(each) for each in ports if each.isdecimal()), 443)  # a socket's path is no port
    return "" if port == 443 else f":{port}"


def server(app: str) -> str:
    """Format an address as an upstream server; a bare IPv6 address would be read as a host and a port."""
    if app.startswith("unix:"):
        return app
    host, _, port = app.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - a bind address to be replaced
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def quotable(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return headers and their values as they may stand in quotes. Raises ValueError."""
    for name, value in headers:
        if value != "$coverproxy_keep" and set(value) & set('"$\\\n'):
            raise ValueError(f"{name}: {value!r} cannot be quoted in nginx's configuration")
    return list(headers)
