"""`python -m bench`: one sub-command for each question, and `all` of them."""

import importlib
import signal
import sys

import click

COMMANDS = {
    "hits": "Covers that are made already, a second: ours against nginx alone, thumbor, ipx.",
    "misses": "Covers made a second, their bytes and SSIMULACRA2: ours against six others.",
    "waiting": "Do hits wait while new covers keep every core busy?",
    "storm": "What does one cold cover cost when many ask for it at once?",
    "flood": "What do hostile requests cost everybody else?",
    "uploads": "What do many slow uploads cost everybody else?",
    "overload": "What is left of the capacity when three times as much comes?",
    "mixed": "How long do readers wait as they really come?",
    "scale": "What do 30 million books and a million covers cost?",
    "postgres": "What does the database that nodes share take: a lookup, a count, an import?",
    "nodes": "What is wrong or lost when nodes, their database and object store suffer?",
    "capacity": "What does a service of that size take? Arithmetic over measured figures.",
    "cluster": "What do nodes behind consistent hashing hold, lose and gain? A simulation.",
    "info": "To how many ISBNs a second does a worker say whether they have covers?",
    "quality": "Bytes against SSIMULACRA2, per size and format, ours and the peers'.",
    "feeds": "How many records of ONIX, and editions of a dump, are read a second?",
    "sharpness": "Does the sharper of two pictures win, where the blurred one has more pixels?",
    "soak": "Do memory, latency and disk use stay flat over time?",
    "bad-images": "Does memory stay flat while bad images are decoded?",
    "crashes": "Who else fails when originals crash, hang or exhaust their decoder?",
    "chaos": "What is torn or lost when the service is killed under load?",
    "all": "All but flood, uploads, postgres, nodes, capacity, cluster, bad-images, chaos; then the goals.",
}
"""What there is, in the order in which it is told. A module is imported when it is run."""


class Bench(click.Group):
    """Finds each sub-command in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"bench.{cmd_name.replace('-', '_')}")
        found: click.Command = module.main
        found.short_help = COMMANDS[cmd_name]
        return found


@click.group(cls=Bench)
def main() -> None:
    """Answer operators' questions by measuring, side by side with what they could run instead.

    Each sub-command has its question and its method in its own --help, and writes a JSON result and a plot.
    Everything runs on this machine, over loopback; the load generators share its cores, so that figures
    compare within one run only. Peers are installed into .bench/ at first use.
    """
    # As Ctrl-C does: what a benchmark has started, and its temporary folder, must not outlive it.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


if __name__ == "__main__":
    main(prog_name="python -m bench")
