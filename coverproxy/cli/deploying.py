"""Commands that print what an installation needs around the service: nginx's and systemd's configuration."""

import click

from coverproxy.cli.common import options, tell
from coverproxy.config import Config


@click.command("nginx-conf")
@options
@click.option(
    "--whole", is_flag=True, help="Print a whole nginx.conf, not only what goes into its http part."
)
def nginx_conf(config: Config, as_json: bool, whole: bool) -> None:
    """Print nginx's configuration for this service, made from the same config that the app reads.

    nginx then answers hits by itself, from the files on disk, and wakes the app only to make a cover:

    \b
        coverproxy nginx-conf --config config.toml > /etc/nginx/conf.d/coverproxy.conf
        nginx -t && systemctl reload nginx

    Print it anew when sizes, formats, addresses or the data folder change.
    """
    from coverproxy.deploy import nginx
    from coverproxy.wiring import Shelf

    root = Shelf(config).layout.top.resolve()
    text = (nginx.whole if whole else nginx.site)(config, root, _headers(config))
    tell(as_json, {"nginx_conf": text}, text.rstrip("\n"))


def _headers(config: Config) -> dict[str, dict[str, str]]:
    """Return what the app itself says in the cases that nginx answers for it."""
    from coverproxy import errors
    from coverproxy.web import answers
    from coverproxy.web.errors import meaning

    told = {"hit": answers.hit_headers(config.answers)}
    for case, error in {
        "down": errors.Unavailable("the app does not answer"),
        "throttled": errors.TooFast("", config.answers.retry_after_seconds),
    }.items():
        answer = answers.refusal(error, meaning(error), config.answers, is_strict=False, as_json=False)
        told[case] = {name: value for name, value in answer.headers.items() if name != "Content-Type"}
    return told
