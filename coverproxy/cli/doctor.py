"""The doctor command."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coverproxy import config as configuration
from coverproxy.cli.common import CONFIG_HELP, DATA_HELP, found_config, tell
from coverproxy.domain.errors import ConfigError

if TYPE_CHECKING:
    from coverproxy.doctor.checks.finding import Finding

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command()
@click.option("--config", "config_file", type=click.Path(path_type=Path), help=CONFIG_HELP)
@click.option("--data", metavar="DIR", help=DATA_HELP)
@click.option("--url", help="Its public address, like https://covers.example.org: checked as well.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def doctor(config_file: Path | None, data: str | None, url: str | None, as_json: bool) -> None:
    """Check the whole installation, and say how to fix problems.

    Checks the config, the data folder and its file system, free space, databases, originals, key links,
    limits of the machine, libvips and its image types, and who answers on the service's addresses. Run it as
    the user that runs the service. It changes nothing.

    The exit code is 1 if there are problems; warnings leave it at 0.
    """
    findings = []
    for finding in _findings(found_config(config_file), data, url):
        findings.append(finding)
        if not as_json:
            _print(finding)
    counts = Counter(finding.level.value for finding in findings)
    text = f"\nproblems: {counts['problem']}, warnings: {counts['warning']}, ok: {counts['ok']}"
    tell(as_json, {"findings": [_as_json(each) for each in findings], "problems": counts["problem"]}, text)
    if counts["problem"]:
        raise click.exceptions.Exit(1)


def _findings(config_file: Path | None, data: str | None, url: str | None) -> "Iterator[Finding]":
    from coverproxy.doctor.run import examine, mistaken

    overrides: dict[str, Any] = {"data": {"dir": data}} if data else {}
    try:
        config = configuration.load(config_file, os.environ, overrides)
    except ConfigError as exc:
        yield mistaken(str(exc))
        return
    yield from examine(config, config_file, os.environ, url)


def _print(finding: "Finding") -> None:
    level = finding.level.value
    click.echo(f"{click.style(f'{level:8}', fg=_COLOURS[level])} {finding.check}: {finding.found}")
    if finding.advice:
        click.echo(f"{'':8} → {finding.advice}")


def _as_json(finding: "Finding") -> dict[str, str]:
    return {
        "check": finding.check, "level": finding.level.value, "found": finding.found,
        "advice": finding.advice,
    }  # fmt: skip
