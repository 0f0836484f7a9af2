"""Certificates that servers of the tests sign themselves."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from services import program


class Certificate(NamedTuple):
    """A certificate's file, and its key's."""

    file: Path
    key: Path


_MADE = (
    "req", "-x509", "-nodes", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
    "-subj", "/CN=x",
)  # fmt: skip


def self_signed(folder: Path, name: str = "IP:127.0.0.1") -> Certificate:
    """Make a certificate in *folder* for this machine's own address, or *name*: such as DNS:example.org."""
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    files = ("-out", str(made.file), "-keyout", str(made.key))
    subprocess.run(
        [program("openssl"), *_MADE, "-addext", f"subjectAltName={name}", *files],
        check=True,
        capture_output=True,
    )
    return made
