"""The network: checks that the server, its health address and the web server in front answer."""

import http.client
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from coverproxy.config import Ops, Server
from coverproxy.doctor.checks.finding import Finding, fine, problem, warning
from coverproxy.doctor.checks.folder import closed_to_others

SERVER, HEALTH, NGINX, URL = "server", "health", "nginx", "public URL"
STATUS = "X-Cover-Status"
TIMEOUT_SECONDS = 5.0

PROBE = "/devkey/doctor/small/isbn/9780000000002"
"""A cover's path with an invalid key: only coverproxy answers it this way, and no cover is made."""


def look(server: Server, ops: Ops, top: Path, url: str | None) -> Iterator[Finding]:
    """Request every address; *top* is the folder that nginx serves from."""
    answers = _server(server)
    yield answers
    yield from _health(ops)
    yield from _nginx(top)
    if url is not None:
        yield _public(url)


def _ask(url: str, path: str) -> tuple[int, str | None, bytes]:
    """GET a path without following redirects: (status, X-Cover-Status, body). Raises OSError."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", parts.path.rstrip("/") + path, headers={"User-Agent": "coverproxy-doctor"})
        answer = connection.getresponse()
        return answer.status, answer.getheader(STATUS), answer.read(65_536)
    except http.client.HTTPException as exc:
        raise OSError(f"not HTTP: {exc!r}") from exc
    finally:
        connection.close()


def _why(exc: OSError | ValueError) -> str:
    """Say in words why a server did not answer."""
    if isinstance(exc, ConnectionRefusedError):
        return "no program listens there"
    if isinstance(exc, TimeoutError):
        return f"no answer in {TIMEOUT_SECONDS:g} seconds"
    if isinstance(exc, socket.gaierror):
        return "its name has no address in the DNS"
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {exc.verify_message}"
    return getattr(exc, "strerror", None) or str(exc)


def _address(host: str, port: int) -> str:
    """Return a URL that reaches what listens there; for a wildcard address, use the loopback."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - no bind
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def _server(server: Server) -> Finding:
    if not server.port:
        return fine(SERVER, "server.port is 0: the port changes with every start, so it was not checked")
    url = _address(server.host, server.port)
    try:
        status, cover, _ = _ask(url, PROBE)
    except OSError as exc:
        return warning(SERVER, f"nothing answers at {url}: {_why(exc)}", "start it: coverproxy serve")
    if cover is None:
        advice = "stop it, or make coverproxy listen elsewhere: server.port in the config, or serve --port"
        return problem(SERVER, f"another program answers at {url} (status {status})", advice)
    return fine(SERVER, f"coverproxy answers at {url}")


def _health(ops: Ops) -> Iterator[Finding]:
    if not ops.port:
        return
    url = _address(ops.host, ops.port)
    try:
        status, _, body = _ask(url, "/readyz")
    except OSError as exc:
        yield warning(HEALTH, f"nothing answers at {url}/readyz: {_why(exc)}", "start it: coverproxy serve")
        return
    faults = _faults(body)
    if faults is None:
        advice = "stop it, or choose another: ops.port in the config"
        yield problem(HEALTH, f"another program answers at {url} (status {status})", advice)
    elif status != 200:
        told = "; ".join(f"{name}: {why}" for name, why in faults.items())
        yield problem(HEALTH, f"the server is not ready: {told}", "see the other findings and its log")
    else:
        yield fine(HEALTH, f"{url}/readyz reports ready")


def _faults(body: bytes) -> dict[str, str] | None:
    """Parse /readyz; None if it is not ours."""
    try:
        told = orjson.loads(body)
        return dict(told["faults"])
    except (ValueError, TypeError, KeyError):
        return None


def _nginx(top: Path) -> Iterator[Finding]:
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if binary is None:
        yield fine(NGINX, "not installed; with nginx in front of the service, hits need no Python")
        return
    said = subprocess.run([binary, "-v"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    yield fine(NGINX, f"{said.stderr.strip().rpartition('/')[2] or 'installed'} at {binary}")
    if top.is_dir() and (closed := closed_to_others(top)):
        found = f"its workers run as another user, and cannot enter {closed} on the path to the covers"
        yield warning(NGINX, found, f"if it serves them: chmod o+x {closed}")


def _public(url: str) -> Finding:
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        return problem(URL, f"{url!r} is not a URL", "expected one like https://covers.example.org")
    try:
        status, cover, _ = _ask(url, PROBE)
    except (OSError, ValueError) as exc:  # an impossible port is a ValueError
        advice = "is the web server running, its name in the DNS, and its port open in the firewall?"
        return problem(URL, f"{url} does not answer: {_why(exc)}", advice)
    if cover is None:
        advice = "its configuration must pass /devkey/ to coverproxy (proxy_pass) and keep our headers"
        return problem(URL, f"{url} answers {status}, but without {STATUS}: that is not coverproxy", advice)
    if status != 403:
        return warning(URL, f"{url} answers {status} to an invalid key", "expected 403 from coverproxy")
    return fine(URL, f"{url} leads to coverproxy")
