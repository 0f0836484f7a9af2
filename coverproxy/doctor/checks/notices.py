"""Notices: checks that the mail server takes the password, and that nothing is stuck."""

from collections.abc import Iterator

from coverproxy.doctor.checks.finding import Finding, fine, problem, warning
from coverproxy.domain.counted import counted
from coverproxy.mail.smtp import MailServer, MailUnavailable
from coverproxy.originals.notice_store import NoticeStore

NOTICES = "notices"


def look(server: MailServer | None, has_hooks: bool, store: NoticeStore | None) -> Iterator[Finding]:
    """Log in to the mail server, and count what waits. *store*: None if there is no catalogue."""
    if server is None and not has_hooks:
        yield fine(NOTICES, "nobody is told what happens: notices.smtp and [[webhook]] are not set")
        return
    if server is not None:
        try:
            server.probe()
        except MailUnavailable as exc:
            yield problem(NOTICES, f"the mail server does not take mail: {exc}", "correct notices.smtp")
        else:
            yield fine(NOTICES, f"the mail server {server.name} answers; to try: coverproxy notices test")
    if store is not None:
        waiting, failed, fault = store.waiting()
        if failed:
            advice = "they are tried again for three days; see the service's log"
            yield warning(
                NOTICES, f"{counted(failed, 'notice')} of {waiting} that wait failed: {fault}", advice
            )
