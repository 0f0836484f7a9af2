"""Prints the errors of all commands: as text for people, or as JSON with --json."""

from typing import Any

import click
import orjson

_AS_JSON = "coverproxy.as_json"


class Commands(click.Group):
    """The group of all commands. With --json, errors are JSON as results are."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note --json before any command reads its options: one of those may be the mistake."""
        options = args[: args.index("--")] if "--" in args else args
        ctx.meta[_AS_JSON] = "--json" in options
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; with --json, print its error as `{"error": "…", "exit_code": 1}` on one line.

        It goes to standard error: standard output stays what a program parses, a result or nothing.
        """
        try:
            return super().invoke(ctx)
        except click.ClickException as exc:
            if not ctx.meta[_AS_JSON]:
                raise
            told = {"error": exc.format_message(), "exit_code": exc.exit_code}
            click.echo(orjson.dumps(told).decode(), err=True)
            raise click.exceptions.Exit(exc.exit_code) from None
