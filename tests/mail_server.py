"""A real mail server for tests: takes letters, refuses whom it is told to, and asks for a password."""

import email
import email.policy
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from ports import free_port

USER, PASSWORD = "covers", "p@ss word"


class Postbox:
    """What came, by the address it went to. `refused`: answers by address. `is_down`: takes nothing."""

    def __init__(self) -> None:
        self.port = free_port()
        self.letters: list[tuple[str, EmailMessage]] = []
        self.refused: dict[str, str] = {}
        self.is_down = False

    @property
    def url(self) -> str:
        """The server's address for notices.smtp."""
        return f"smtp://127.0.0.1:{self.port}"

    def of(self, address: str) -> list[EmailMessage]:
        """What came for an address."""
        return [letter for to, letter in self.letters if to == address]

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take an address, or say why not."""
        if answer := self.refused.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a letter."""
        if self.is_down:
            return "451 later"
        assert isinstance(envelope.content, bytes)
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(letter, EmailMessage)
        self.letters += [(to, letter) for to in envelope.rcpt_tos]
        return "250 OK"


def _checked(server: SMTP, session: Session, envelope: Envelope, mechanism: str, told: object) -> AuthResult:
    is_right = isinstance(told, LoginPassword) and (told.login, told.password) == (
        USER.encode(), PASSWORD.encode(),
    )  # fmt: skip
    return AuthResult(success=is_right, handled=False)


@contextmanager
def receiving(
    box: Postbox,
    tls: ssl.SSLContext | None = None,
    *,
    asks: bool = False,
    starttls: ssl.SSLContext | None = None,
) -> Iterator[None]:
    """Run the server while the block runs. *asks*: for the password. *starttls*: it takes nothing without."""
    controller = Controller(
        box, hostname="127.0.0.1", port=box.port, ssl_context=tls, tls_context=starttls,
        require_starttls=starttls is not None,
        auth_required=asks, auth_require_tls=starttls is not None, authenticator=_checked if asks else None,
    )  # fmt: skip
    controller.start()
    try:
        yield
    finally:
        controller.stop()
