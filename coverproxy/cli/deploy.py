"""Commands that print files for an installation: nginx's and systemd's configuration."""

import resource
import sys
from pathlib import Path

import click

from coverproxy.cli.common import options, tell
from coverproxy.config import Config

_BALANCER = "Print the load balancer's configuration instead: one --balancer for the nginx of each node."


@click.command("nginx-conf")
@options
@click.option("--whole", is_flag=True, help="Print a whole nginx.conf, not only the part for its http block.")
@click.option("--balancer", "nodes", metavar="HOST:PORT", multiple=True, help=_BALANCER)
def nginx_conf(config: Config, as_json: bool, whole: bool, nodes: tuple[str, ...]) -> None:
    """Print nginx's configuration for this service, generated from the app's config.

    nginx then answers hits by itself, from the files on disk, and asks the app only to make a cover:

    \b
        coverproxy nginx-conf --config config.toml > /etc/nginx/conf.d/coverproxy.conf
        nginx -t && systemctl reload nginx

    Run it again when sizes, formats, addresses or the data folder change.

    front.open_files needs a higher limit of open files than usual: a note on standard error says so.

    With --balancer NODE:PORT for each of several nodes it prints the configuration of the nginx before them:
    an item always goes to the same node, and to another while that one is down.
    """
    from coverproxy.deploy import nginx
    from coverproxy.wiring.data_folder import DataFolder

    if nodes:
        text = _balancer(config, nodes, whole)
        tell(as_json, {"nginx_conf": text}, text.rstrip("\n"))
        return
    if config.front.open_files:
        _tell_limit(config.front.open_files)
    root = DataFolder(config).layout.top.resolve()
    text = (nginx.whole if whole else nginx.site)(config, root, _headers(config))
    tell(as_json, {"nginx_conf": text}, text.rstrip("\n"))


def _balancer(config: Config, nodes: tuple[str, ...], whole: bool) -> str:
    from coverproxy.deploy import balancer, nginx

    try:
        text = balancer.site(config, nodes, _headers(config)["down"])
    except ValueError as exc:
        raise click.BadParameter(str(exc), param_hint="--balancer") from None
    return nginx.around(text, 0) if whole else text


@click.command("systemd-unit")
@options
@click.option("--socket", is_flag=True, help="Print coverproxy.socket, which outlives restarts.")
@click.option("--with-socket", is_flag=True, help="Print the service for use with coverproxy.socket.")
@click.option("--user", default="coverproxy", show_default=True, help="The user that it runs as.")
def systemd_unit(config: Config, as_json: bool, socket: bool, with_socket: bool, user: str) -> None:
    """Print systemd's unit for this service, hardened and with resource limits.

    \b
        coverproxy systemd-unit --config /etc/coverproxy/config.toml > /etc/systemd/system/coverproxy.service
        systemctl daemon-reload && systemctl enable --now coverproxy

    It starts this program with the same --config and --data. Run it again when addresses, the data folder or
    the number of workers change.
    """
    from coverproxy.deploy import systemd

    if socket:
        text = systemd.socket(config)
    else:
        data = Path(config.data.dir).resolve()
        text = systemd.service(config, _command(data), data, user, socket=with_socket)
    tell(as_json, {"unit": text}, text.rstrip("\n"))


def _tell_limit(open_files: int) -> None:
    """Print which limit nginx needs for its open files, and whether the hard limit here allows it."""
    from coverproxy.deploy import nginx

    needed, (_, hard) = nginx.files_needed(open_files), resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"front.open_files = {open_files}: nginx needs a limit of {needed} open files, or answers 500"
    if 0 <= hard < needed:
        text += f"; the hard limit here is {hard}: raise it, or set front.open_files to 0"
    click.echo(f"{text}. The printed file says how; `coverproxy doctor` checks the running nginx.", err=True)


def _command(data: Path) -> list[str]:
    """Return the command line that starts this program as it was started, with absolute paths."""
    given = click.get_current_context().params
    program = Path(sys.argv[0])
    is_script = program.name == "coverproxy" and program.is_file()
    words = [str(program.resolve())] if is_script else [sys.executable, "-m", "coverproxy"]
    words.append("serve")
    if file := given.get("config_file"):
        words += ["--config", str(Path(file).resolve())]
    return [*words, "--data", str(data)]


def _headers(config: Config) -> dict[str, dict[str, str]]:
    """Return the app's headers for the cases that nginx answers."""
    from coverproxy.domain import errors
    from coverproxy.web import answers
    from coverproxy.web.errors import meaning

    told = {"hit": answers.hit_headers(config.answers)}
    told["versioned"] = told["hit"] | {"Cache-Control": answers.IMMUTABLE}
    told["interim"] = told["hit"] | {"Cache-Control": answers.interim_keep(config.answers)}
    for case, error in {
        "down": errors.Unavailable("the app does not answer"),
        "throttled": errors.TooFast("", config.answers.retry_after_seconds),
        "unread": errors.NotAnIdentifier("", "nginx cannot read it", "identifier"),
        "long": errors.TooLong("nginx takes no longer one"),
        "large": errors.TooLarge("nginx takes no larger one"),
    }.items():
        answer = answers.refusal(error, meaning(error), config.answers, is_strict=False, as_json=False)
        told[case] = {name: value for name, value in answer.headers.items() if name != "Content-Type"}
    told["coded"] = told["unread"] | {"Cache-Control": "no-store"}
    return told
