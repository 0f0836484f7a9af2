"""nginx's configuration, generated from the app's config: a pure function from values to text."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from coverproxy.config import Config, ShapeName
from coverproxy.deploy.template import filled
from coverproxy.domain import schemes
from coverproxy.domain.address_bounds import MANY_AT_ONCE, MAX_PATH_BYTES, MAX_QUERY_BYTES, MAX_SEGMENTS
from coverproxy.domain.formats import ENDINGS, PLACEHOLDER_FILE, Format

ACCEL = "/_cover/"
"""The internal location used in X-Accel-Redirect; the rest is a path below the cache's `img`."""

ACCEL_HEADERS = (
    "Vary", "X-Cover-Status", "X-Cover-Size", "X-Cover-Original", "RateLimit", "RateLimit-Policy",
    "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers", "Cross-Origin-Resource-Policy", "Timing-Allow-Origin",
    "X-Content-Type-Options", "Content-Security-Policy", "Server-Timing", "Content-Location",
)  # fmt: skip
"""Headers that nginx drops from an answer with X-Accel-Redirect.

It keeps Content-Type, Cache-Control, Set-Cookie, Accept-Ranges and Expires
(ngx_http_upstream_process_headers), and makes the validators itself.
"""

_KEY = "^/devkey/(?<coverproxy_key>[a-z0-9]{8,64})"
_ISBN = "(?<coverproxy_isbn>(?:97[89])?[0-9]{5}(?<coverproxy_a>[0-9]{2})(?<coverproxy_b>[0-9]{2})[0-9X])"
_ISBN13 = "(?<coverproxy_isbn>97[89][0-9]{5}(?<coverproxy_a>[0-9]{2})(?<coverproxy_b>[0-9]{2})[0-9])"

_SHAPES: tuple[tuple[ShapeName, str], ...] = (
    ("openlibrary", rf"{_KEY}/b/(?:isbn|ISBN)/{_ISBN}-(?<coverproxy_mark>[SMLsml])\.jpg\z"),
    ("openlibrary", rf"{_KEY}/b/id/{_ISBN13}-(?<coverproxy_mark>[SMLsml])\.jpg\z"),
    (
        "amazon",
        rf"{_KEY}/images/P/{_ISBN}(?:\.[0-9]{{2}})?"
        r"(?:\.(?<coverproxy_mark>THUMBZ+|[TML]Z+|_SC[TMLZR][A-Z]*_))?\.(?:jpg|gif)\z",
    ),
    ("openbd", rf"{_KEY}/{_ISBN13}(?<coverproxy_mark>\.)jpg\z"),
)
"""Addresses of other services whose hits nginx serves: plain spellings only; all others go to the app."""

USUAL_FILES = 1024
"""The usual limit of open files per process (RLIMIT_NOFILE, soft)."""

DEBIAN_CONNECTIONS = 768
"""worker_connections in Debian's nginx.conf, which usually includes the printed file."""

_OWN_FILES = 64
"""Files that a worker always has open: listening sockets, logs, libraries, its line to the master."""

FITTING_CONNECTIONS = (USUAL_FILES - _OWN_FILES) // 2
"""worker_connections of whole() without open files: as many as the usual limit allows."""


_FORM_BYTES = 65_536
"""What a form has besides the picture."""


def site(config: Config, root: Path, headers: Mapping[str, Mapping[str, str]]) -> str:
    """Return the part for nginx's http context: maps, limits, upstream and server.

    *root*: the cache's top folder. *headers*: the app's headers of a hit ("hit"), of an answer while the app
    is down ("down") and of a throttled response ("throttled").
    """
    front, on = config.front, config.formats.enabled
    endings = [(ending, form.value) for ending, form in ENDINGS.items() if form in on]
    return filled(
        "nginx.conf.jinja",
        front=front,
        root=root,
        webp=Format.WEBP in on,
        avif=Format.AVIF in on,
        endings=endings,
        ending_pattern="|".join(ending for ending, _ in endings),
        sizes="|".join(sorted([*config.size_table.sizes, *config.size_table.aliases])),
        schemes="|".join((*schemes.ALL, f"{schemes.LOCAL}{schemes.AGENCY}")),
        canonical=_canonical(),
        shapes=[pattern for name, pattern in _SHAPES if name not in config.shapes.off],
        apps=[_server(app) for app in front.apps or (f"{config.server.host}:{config.server.port}",)],
        listen=front.listen,
        listen_tls=front.listen_tls,
        tls=front.tls != "off",
        http2=front.tls == "http2",
        tls_port=_tls_port(config),
        max_path=MAX_PATH_BYTES,
        max_segments=MAX_SEGMENTS,
        max_query=MAX_QUERY_BYTES,
        many_at_once="|".join(sorted(MANY_AT_ONCE)),
        server_name=urlsplit(front.public_url).hostname or "_",
        access_log=f"{front.access_log} coverproxy buffer=64k flush=5s" if front.access_log else "off",
        fronts=[str(network) for network in front.networks if not network.is_loopback],
        connections=DEBIAN_CONNECTIONS,
        files_needed=files_needed(front.open_files),
        usual_files=USUAL_FILES,
        accel=ACCEL,
        accel_headers=ACCEL_HEADERS,
        placeholder=PLACEHOLDER_FILE,
        upload_bytes=config.upload.max_bytes + _FORM_BYTES,
        admin_header=config.admin.header,
        **{f"{case}_headers": _quotable(told.items()) for case, told in headers.items()},
    )


def whole(config: Config, root: Path, headers: Mapping[str, Mapping[str, str]], workers: str = "auto") -> str:
    """Return a whole nginx.conf around site(): for a machine, a container or a test without another.

    It raises a limit only if front.open_files needs it: raising one above the hard limit fails.
    """
    inside = "".join(f"    {line}".rstrip() + "\n" for line in site(config, root, headers).splitlines())
    if open_files := config.front.open_files:
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


def _canonical() -> str:
    """Return the expression for every canonical identifier that is not an ISBN, as `scheme/value`."""
    own = f"{schemes.LOCAL}{schemes.AGENCY}/{schemes.PLAIN_LOCAL}"
    others = (
        f"{scheme.name}/(?:{scheme.pattern})"
        for scheme in schemes.ALL.values()
        if scheme.name != schemes.ISBN
    )
    return "|".join((*others, own))


def _tls_port(config: Config) -> str:
    """Return the public https port as it is written in an address; empty for 443.

    Taken from front.public_url, since ports may be mapped on the way; else the port that nginx listens on.
    """
    public = urlsplit(config.front.public_url)
    if public.scheme == "https":
        port = public.port or 443
    else:
        port = next((int(each.rpartition(":")[2]) for each in config.front.listen_tls if each), 443)
    return "" if port == 443 else f":{port}"


def _server(app: str) -> str:
    """Format an address as an upstream server; a bare IPv6 address would be read as a host and a port."""
    if app.startswith("unix:"):
        return app
    host, _, port = app.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - a bind address to be replaced
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def _quotable(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    for name, value in headers:
        if set(value) & set('"$\\\n'):
            raise ValueError(f"{name}: {value!r} cannot be quoted in nginx's configuration")
    return list(headers)
