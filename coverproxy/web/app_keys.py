"""Typed keys for values in the application and in a request."""

from typing import Any

from aiohttp import web

from coverproxy.accounts.accounts import Accounts
from coverproxy.concurrency.threads import WorkerThreads
from coverproxy.config import Config, SizeTable
from coverproxy.domain.api_key import Key
from coverproxy.domain.spec import Spec
from coverproxy.service.covers import Covers
from coverproxy.service.curate import Curator
from coverproxy.service.reports import ReportDesk
from coverproxy.service.uploads import Uploads
from coverproxy.stats.metrics import Metrics
from coverproxy.web.fast_path import FastPath
from coverproxy.web.offers import Offers
from coverproxy.web.page_context import PageContext

COVERS: web.AppKey[Covers] = web.AppKey("covers", Covers)
ACCOUNTS: web.AppKey[Accounts] = web.AppKey("accounts", Accounts)
LOOKUPS: web.AppKey[WorkerThreads] = web.AppKey("lookups")
"""The threads for disk lookups."""

CONFIG: web.AppKey[Config] = web.AppKey("config", Config)
CURATOR: web.AppKey[Curator] = web.AppKey("curator", Curator)
REPORTS: web.AppKey[ReportDesk] = web.AppKey("reports", ReportDesk)
UPLOADS: web.AppKey[Uploads] = web.AppKey("uploads", Uploads)
NAMED_SIZES: web.AppKey[SizeTable] = web.AppKey("named sizes", SizeTable)
SIZES: web.AppKey[SizeTable] = web.AppKey("sizes", SizeTable)
"""Every size that is served: the config's and the ladder's."""

OFFERS: web.AppKey[Offers] = web.AppKey("offers", Offers)
DESK: web.AppKey[PageContext] = web.AppKey("desk", PageContext)
METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)

HOT: web.AppKey[FastPath | None] = web.AppKey("hot", FastPath)
"""Answers hits from memory; None if it must not: nginx sends them, or each answer is logged."""

KEY: web.RequestKey[Key] = web.RequestKey("key", Key)
"""The request's key, set once it is authorized, so that even errors can report its quota."""

SPEC: web.RequestKey[Spec] = web.RequestKey("spec", Spec)
"""What is requested; once a cover is found, the one that is served."""

IS_PROGRAM: web.RequestKey[bool] = web.RequestKey("is_program", bool)
"""Set where only programs make requests: errors are then problem details, whatever `Accept` says."""

SHOWN: web.AppKey[tuple[Any, ...]] = web.AppKey("shown", tuple)
"""The books on the home page."""
