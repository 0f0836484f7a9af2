"""Builds the sender of webhooks."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from coverproxy.concurrency.background import beside
from coverproxy.config import Config, resolved
from coverproxy.config.base import networks
from coverproxy.config.webhooks import WebhookConfig
from coverproxy.originals.base import Catalogue
from coverproxy.service.webhooks import Receiver, Webhooks, secret_of
from coverproxy.sources.build import user_agent
from coverproxy.sources.http import Manner
from coverproxy.sources.post import Poster


def receiver_of(config: Config, each: WebhookConfig, stack: AsyncExitStack) -> Receiver:
    """Return a receiver, closed with the stack. Raises ConfigError."""
    manner = Manner(user_agent(config.asking.contact), {}, networks(each.allow))
    poster = Poster(resolved(each.url, os.environ, in_url=True), manner, each.timeout_seconds)
    stack.push_async_callback(poster.aclose)
    secret = secret_of(resolved(each.secret, os.environ))
    return Receiver(each.name, secret, poster, each.timeout_seconds, each.most)


@asynccontextmanager
async def open_webhooks(config: Config, catalogue: Catalogue) -> AsyncIterator[None]:
    """Tell the config's receivers of changes, in the background. Raises ConfigError."""
    async with AsyncExitStack() as stack:
        receivers = [receiver_of(config, each, stack) for each in config.webhook if "covers" in each.tells]
        async with beside(Webhooks(catalogue, tuple(receivers)).run()):
            yield
