"""The `coverproxy` command."""

import click

from coverproxy.cli import (
    aliases,
    backup,
    cache,
    covers,
    deploy,
    doctor,
    feeds,
    fetch,
    import_originals,
    init,
    key_changes,
    keys,
    notices,
    originals,
    prewarm,
    reports,
    serve,
    sources,
    store,
)
from coverproxy.cli.build import show
from coverproxy.cli.errors import Commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show,
    help="Show the version and build.",
)
def main() -> None:
    """Serve book covers by ISBN from your own machine.

    \b
    To see it work:       coverproxy demo
    With your own covers: coverproxy import FOLDER
                          coverproxy key create --label "Our catalogue"
                          coverproxy serve
    Then put this into your catalogue:
                          <img src="http://HOST/devkey/KEY/medium/isbn/0545010225">

    All data is in one folder: ./coverproxy-data, or the one given by --data or the config.
    """


_SERVING = (
    init.init,
    serve.demo,
    serve.serve,
    serve.check_config,
    deploy.nginx_conf,
    deploy.systemd_unit,
    doctor.doctor,
)
_KEEPING = (
    import_originals.import_,
    feeds.feed,
    feeds.watch,
    prewarm.warm,
    keys.key,
    covers.cover,
    covers.purge,
    aliases.alias,
    cache.cache,
    originals.originals,
    reports.reports,
    notices.notices,
    sources.source,
    fetch.fetch,
    backup.backup,
    backup.restore,
    store.store,
)
for change in key_changes.COMMANDS:
    keys.key.add_command(change)
for command in (*_SERVING, *_KEEPING):
    main.add_command(command)
