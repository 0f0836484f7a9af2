"""The configuration of the nginx that spreads requests over several nodes: values to text."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from coverproxy.config import Config
from coverproxy.deploy import nginx
from coverproxy.deploy.template import filled

_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}")


def site(config: Config, nodes: Sequence[str], headers: Mapping[str, str]) -> str:
    """Return the part for the http context of the load balancer's nginx.

    *config*: a node's; [front] says where the balancer listens, and its certificate. *nodes*: `host:port` of
    each node's nginx. *headers*: the app's headers of an answer while it is down. Raises ValueError.
    """
    checked(nodes)
    return filled(
        "balancer.conf.jinja",
        peer="node",
        nodes=[nginx.server(node) for node in nodes],
        upload_bytes=config.upload.max_bytes + nginx.FORM_BYTES,
        admin_header=config.admin.header,
        down_headers=nginx.quotable(headers.items()),
        **nginx.listening(config),
    )


def checked(nodes: Sequence[str]) -> None:
    """Raise ValueError unless each is an address, and none comes twice: it would get a double share."""
    for node in nodes:
        if not _ADDRESS.fullmatch(node):
            raise ValueError(f"{node!r} is not the address of a node; expected host:port or [IPv6]:port")
    if twice := [node for node, count in Counter(nodes).items() if count > 1]:
        raise ValueError(f"{twice[0]} is named twice")
