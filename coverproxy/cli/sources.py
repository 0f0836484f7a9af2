"""Commands about sources of originals: list, test."""

import asyncio
import os
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from coverproxy.cli.common import faults_told, options, tell
from coverproxy.config import AnySource, Config, FolderSourceConfig, ObjectSourceConfig, unset
from coverproxy.config.sizes import largest
from coverproxy.domain import schemes
from coverproxy.domain.errors import NotAnIdentifier, UnusableOriginal
from coverproxy.domain.spec import ISBN, Identifier

if TYPE_CHECKING:
    from coverproxy.sources.base import Fetched, Source


@click.group()
def source() -> None:
    """List and test the sources that are asked for missing originals.

    Each is a table [[source]] in the config file; config.example.toml has examples.
    """


@source.command("list")
@options
def list_(config: Config, as_json: bool) -> None:
    """List the sources in the order they are asked, with their settings."""
    from coverproxy.sources.build import by_preference

    told = [_as_json(each) for each in by_preference(config.source)]
    lines = [
        f"{each['name']}  {each['kind']}  {each['where']}\n    priority {each['priority']},"
        f" keep {each['keep']}, {each['requests_per_second']:g} a second, {each['timeout_seconds']:g} s"
        for each in told
    ]
    way = "side by side" if config.asking.side_by_side else "one after the other"
    text = "\n".join([*lines, f"They are asked {way}."]) if told else "There are no sources in the config."
    tell(as_json, {"side_by_side": config.asking.side_by_side, "sources": told}, text)


def _as_json(each: AnySource) -> dict[str, Any]:
    keys = ("name", "kind", "priority", "keep", "requests_per_second", "timeout_seconds")
    return {"where": _where(each), **{key: getattr(each, key) for key in keys}}


def _where(each: AnySource) -> str:
    if isinstance(each, FolderSourceConfig):
        return f"{each.dir}/{each.pattern}"
    return f"{each.url}/{each.key}" if isinstance(each, ObjectSourceConfig) else each.url


@source.command()
@options
@click.argument("text", metavar="ID")
def test(config: Config, as_json: bool, text: str) -> None:
    """Ask every source for a cover, by ISBN or scheme:value; print each answer and its time.

    Nothing is stored or remembered. The exit code is 1 if no source has it or one was unavailable.
    """
    try:
        identifier = schemes.read(text).identifiers[0]
    except NotAnIdentifier as exc:
        raise click.ClickException(str(exc)) from None
    if mistakes := unset(config.source, os.environ):
        raise click.ClickException("\n".join(mistakes))
    with faults_told():
        answers = asyncio.run(_ask_all(config, identifier))
    told = [each.told for each in answers]
    isbn13 = identifier.value if identifier.scheme == ISBN else None
    answered = {"identifier": str(identifier), "isbn13": isbn13, "answers": told}
    tell(as_json, answered, "\n".join(map(_line, told)) or "There are no sources.")
    found = any(each.answer == "found" for each in answers)
    if not found or any(each.answer == "could not ask" for each in answers):
        raise click.exceptions.Exit(1)


@dataclass(frozen=True, slots=True)
class Answered:
    """A source's answer: "found", "not there" or "could not ask"; for a picture, with its properties."""

    source: str
    answer: str
    detail: str
    ms: float

    @property
    def told(self) -> dict[str, Any]:
        """As it is printed."""
        return {"source": self.source, "answer": self.answer, "detail": self.detail, "ms": self.ms}


def _line(told: dict[str, Any]) -> str:
    return f"{told['source']}: {told['answer']} ({told['detail']}), {told['ms']:g} ms"


async def _ask_all(config: Config, identifier: Identifier) -> list[Answered]:
    from coverproxy.wiring.sources import open_sources

    async with open_sources(config) as sources:
        return list(await asyncio.gather(*(_ask(config, each, identifier) for each in sources)))


async def _ask(config: Config, source: "Source", identifier: Identifier) -> Answered:
    from coverproxy.sources.base import Fetched, NotThere, SourceUnavailable

    started = time.perf_counter()
    try:
        answer = await source.fetch(identifier, None)
    except SourceUnavailable as exc:
        answered, detail = "could not ask", str(exc)
    else:
        answered, detail = "not there", answer.why if isinstance(answer, NotThere) else ""
        if isinstance(answer, Fetched):
            answered, detail = await asyncio.to_thread(_looked_at, config, source.name, identifier, answer)
    return Answered(source.name, answered, detail, round((time.perf_counter() - started) * 1000, 1))


def _looked_at(config: Config, name: str, identifier: Identifier, got: "Fetched") -> tuple[str, str]:
    """Describe the picture, or say why it would not be kept. Blocks."""
    from coverproxy.imaging.decoder import ProcessDecoder, render_processes
    from coverproxy.originals.examine import OriginalRefused, measured, sketched

    settings = next(each for each in config.source if each.name == name)
    with closing(render_processes(config, 1)) as processes:
        try:
            sketch = sketched(got.body, identifier, config.imports)
            decoder, limits = ProcessDecoder(processes), settings.limits(config.limits)
            found = measured(sketch, got.body, decoder, limits)
            decoder.verify(got.body, largest(config.sizes.values()), config.limits)
        except (OriginalRefused, UnusableOriginal) as exc:
            return "not there", f"its picture is refused: {exc}"
    return "found", f"{found.width}x{found.height} px {found.loader.value}, {found.bytes} bytes"
