"""The pages for people: home, getting a key, a key's usage, the service's status, and administration."""

from coverproxy.web.pages import (
    admin_books,
    admin_decide,
    admin_home,
    admin_key_acts,
    admin_keys,
    admin_reports,
    admin_review,
    admin_service,
    assets,
    batch,
    docs,
    getting,
    home,
    item,
    report,
    session,
    status,
    upload,
    usage,
)
from coverproxy.web.pages.home import Shown
from coverproxy.web.pages.page import PAGES, Pages
from coverproxy.web.preflight import allowed

__all__ = ["PAGES", "Pages", "Shown", "routes"]

_PAGES = [
    *assets.routes, *home.routes, *item.routes, *batch.routes, *getting.routes, *usage.routes, *status.routes,
    *session.routes, *admin_home.routes, *admin_keys.routes, *admin_key_acts.routes, *admin_books.routes,
    *admin_decide.routes, *admin_review.routes, *admin_reports.routes, *upload.routes, *report.routes,
    *admin_service.routes, *docs.routes,
]  # fmt: skip


routes = [*_PAGES, *allowed(_PAGES)]
