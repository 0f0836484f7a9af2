"""How a benchmark is asked for: its docstring as its help, and the options that several have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bench import report


class Verbatim(click.Command):
    """A command whose help is a module's docstring, line by line as it stands there."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write it without filling its lines anew."""
        formatter.write(
            "\n" + "".join(f"  {line}".rstrip() + "\n" for line in (self.help or "").splitlines())
        )


def command(module: str, docstring: str | None) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function the command of its *module*: `bench.bad_images` is `bad-images`."""
    name = module.rpartition(".")[2].replace("_", "-")
    return click.command(name, cls=Verbatim, help=(docstring or "").strip())


covers = click.option(
    "--covers",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of JPEG covers (default: the project's drawn ones).",
)
out = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=report.RESULTS,
    help="Where the result is written (default: bench/results).",
)
workers = click.option(
    "--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes that serve."
)
rounds = click.option(
    "--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="Turns that each rival takes."
)


def seconds(default: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return an option for the length of one turn."""
    return click.option(
        "--seconds", type=click.FloatRange(1, 3600), default=default, show_default=True,
        help="Length of one turn.",
    )  # fmt: skip
