"""What --version says: the version, and which build of it this is."""

import hashlib
import platform
from pathlib import Path

import click

from coverproxy import __version__

_ROOT = Path(__file__).resolve().parents[1]


def build(root: Path = _ROOT) -> str:
    """Return eight hex digits that depend on the code alone: they tell two builds of a version apart."""
    told = hashlib.sha256()
    for path in sorted(root.rglob("*.*")):
        if path.is_file() and path.suffix != ".pyc":
            told.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return told.hexdigest()[:8]


def show(context: click.Context, _: click.Parameter, is_asked: bool) -> None:
    """Print them, and end."""
    if is_asked and not context.resilient_parsing:
        click.echo(f"coverproxy {__version__}, build {build()}, Python {platform.python_version()}")
        context.exit()
