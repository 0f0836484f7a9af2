"""Where pages lead from http to https: the port is that of the address that clients know."""

from pathlib import Path

import pytest

from coverproxy.config import load
from coverproxy.deploy.nginx import site


@pytest.mark.parametrize(
    ("public_url", "listen_tls", "port"),
    [
        ("", ["443", "[::]:443"], ""), ("", ["8443"], ":8443"), ("", ["127.0.0.1:18101"], ":18101"),
        ("", ["[::1]:9443"], ":9443"), ("https://covers.example.org", ["8443"], ""),
        ("https://covers.example.org:8443", ["443"], ":8443"), ("https://127.0.0.1:18101", ["443"], ":18101"),
        ("https://covers.example.org:443", ["443"], ""),
    ],
)  # fmt: skip
def test_the_redirect_keeps_the_port(public_url: str, listen_tls: list[str], port: str) -> None:
    """front.public_url decides, as a port may be mapped on the way; else the port that nginx listens on."""
    front = {"tls": "http1", "public_url": public_url, "listen_tls": listen_tls}
    cached = {"Cache-Control": "public"}
    cases = ("hit", "versioned", "interim")
    refused = ("down", "throttled", "unread", "coded", "long", "large")
    refusals = {case: {"X-Cover-Status": case} for case in refused}
    headers = dict.fromkeys(cases, cached) | refusals
    text = site(load(None, {}, {"front": front}), Path("/cache"), headers)

    assert f"return 308 https://$host{port}$request_uri;" in text
