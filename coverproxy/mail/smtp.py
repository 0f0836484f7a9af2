"""Sends mail through the operator's server (SMTP, RFC 5321). Blocks: callers use a thread."""

import ipaddress
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

_OTHER_NAME = frozenset({62, 64})
"""X509_V_ERR_HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH (OpenSSL's x509_vfy.h)."""

_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"})
"""What OpenSSL says of a greeting in plain text: by its versions 3 up to 3.1, and from 3.2."""

_USUAL_PORT = {"smtp": 587, "smtps": 465}


class MailUnavailable(Exception):
    """The server cannot be reached, or does not take mail now. The text says why."""


class MailRefused(Exception):
    """The server will never take this letter: such as for an address that does not exist."""


class MailServer:
    """A server by its URL: `smtp://user:password@host:587`, or `smtps://` for TLS from the start.

    Over `smtp`, TLS is used if the server offers it; a password is sent without only to this machine.
    `seconds`: time limit of each step.
    """

    def __init__(self, url: str, seconds: float, context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self._host, self._kind = parts.hostname or "", parts.scheme
        self._port = parts.port or _USUAL_PORT[self._kind]
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._seconds = seconds
        self._context = context or ssl.create_default_context()

    @property
    def name(self) -> str:
        """The server as messages show it."""
        return f"{self._host}:{self._port}"

    def send(self, letter: EmailMessage, to: str) -> None:
        """Send a letter to one address. Raises MailUnavailable, MailRefused."""
        with self._connected() as server:
            try:
                server.send_message(letter, to_addrs=[to])
            except smtplib.SMTPRecipientsRefused as exc:
                code, why = exc.recipients[to]
                raise _failure(code, why, "the address is refused") from None
            except smtplib.SMTPResponseException as exc:
                raise _failure(exc.smtp_code, exc.smtp_error, "the letter is refused") from None

    def probe(self) -> None:
        """Connect, log in and leave. Raises MailUnavailable."""
        with self._connected() as server:
            server.noop()

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        server: smtplib.SMTP | None = None
        try:
            server = self._opened()
            yield server
        except (smtplib.SMTPException, OSError, UnicodeError) as exc:
            raise MailUnavailable(f"{self.name}: {_in_words(exc, self._host)}") from exc
        finally:
            if server is not None:
                with suppress(smtplib.SMTPException, OSError):
                    server.quit()

    def _opened(self) -> smtplib.SMTP:
        if self._kind == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=self._seconds, context=self._context
            )
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=self._seconds)
        try:
            self._prepare(server)
        except BaseException:
            server.close()
            raise
        return server

    def _prepare(self, server: smtplib.SMTP) -> None:
        """Encrypt, and log in. The password never goes over a network in the clear."""
        server.ehlo()
        if self._kind == "smtp" and server.has_extn("starttls") and not _is_here(self._host):
            server.starttls(context=self._context)
            server.ehlo()
        elif self._kind == "smtp" and self._user and not _is_here(self._host):
            raise MailUnavailable(f"{self.name} offers no TLS, so the password was not sent; is smtps meant?")
        if self._user:
            server.login(self._user, self._password)


def _is_here(host: str) -> bool:
    """Return whether a host is this machine, by its name: its certificate is of another."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _in_words(exc: Exception, host: str) -> str:
    """Return what an error means to whoever set up the server; OpenSSL's words are for programmers."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        if exc.verify_code in _OTHER_NAME:
            return f"its certificate is not for {host}; name the server as the certificate does"
        advice = "name the file of an authority of your own in the environment's SSL_CERT_FILE"
        return f"its certificate is not trusted ({exc.verify_message}); {advice}"
    if isinstance(exc, ssl.SSLError) and exc.reason in _NO_TLS:
        return "it does not speak TLS from the start; is smtp:// meant?"
    return str(exc) or type(exc).__name__


def _failure(code: int, why: bytes | str, what: str) -> Exception:
    """Return the error of an SMTP answer: 4xx may succeed later, 5xx never does (RFC 5321 §4.2.1)."""
    told = why.decode(errors="replace") if isinstance(why, bytes) else why
    kind = MailRefused if code >= 500 else MailUnavailable
    return kind(f"{what}: {code} {' '.join(told.split())[:200]}")
