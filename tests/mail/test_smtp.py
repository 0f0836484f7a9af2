"""Mail goes through a real server: with and without TLS, with a password, and with clear faults."""

import socket
import ssl
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest
from certificates import Certificate, self_signed
from mail_server import PASSWORD, USER, Postbox, receiving
from ports import free_port

from coverproxy.mail.smtp import MailRefused, MailServer, MailUnavailable

TO = "anna@example.org"


def letter() -> EmailMessage:
    """A letter."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "covers@example.org", TO, "Grüße"
    made.set_content("Schöne Umschläge")
    return made


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_letter_with_a_password() -> None:
    """The password of the URL is sent as it is, whatever characters it has; a wrong one is a fault."""
    box = Postbox()
    with receiving(box, asks=True):
        url = f"smtp://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{box.port}"
        MailServer(url, 5.0).send(letter(), TO)
        with pytest.raises(MailUnavailable, match="535"):
            MailServer(url.replace("word@", "wird@"), 5.0).send(letter(), TO)
    (got,) = box.of(TO)
    assert (str(got["Subject"]), got.get_content().strip()) == ("Grüße", "Schöne Umschläge")


def test_tls_is_checked(tmp_path: Path) -> None:
    """smtps speaks TLS from the start, with a certificate that is trusted; one that is not is a fault."""
    certificate, key = self_signed(tmp_path)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate, key)
    box = Postbox()
    with receiving(box, ours):
        url = f"smtps://127.0.0.1:{box.port}"
        MailServer(url, 5.0, ssl.create_default_context(cafile=str(certificate))).send(letter(), TO)
        with pytest.raises(MailUnavailable, match="certificate"):
            MailServer(url, 5.0).probe()
    assert len(box.of(TO)) == 1


ELSEWHERE = "0.0.0.0"  # noqa: S104 - as a client's address it is this machine, but no loopback address
"""A host that is not this machine by its name, as MailServer sees it: TLS is a must for the password."""


def context_of(made: Certificate) -> ssl.SSLContext:
    """The server's side of TLS with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*made)
    return context


def test_starttls_with_a_password(tmp_path: Path) -> None:
    """Over smtp the connection is encrypted before the password is sent, as the server demands."""
    made, box = self_signed(tmp_path, f"IP:{ELSEWHERE}"), Postbox()
    trusting = ssl.create_default_context(cafile=str(made.file))
    with receiving(box, starttls=context_of(made), asks=True):
        url = f"smtp://{USER}:{quote(PASSWORD, safe='')}@{ELSEWHERE}:{box.port}"
        MailServer(url, 5.0, trusting).send(letter(), TO)
        with pytest.raises(MailUnavailable, match="535"):
            MailServer(url.replace("word@", "wird@"), 5.0, trusting).send(letter(), TO)
    assert len(box.of(TO)) == 1


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # it means STARTTLS
def test_tls_from_the_start_with_a_password(tmp_path: Path) -> None:
    """The same over smtps, where nothing is ever in the clear."""
    made, box = self_signed(tmp_path), Postbox()
    with receiving(box, context_of(made), asks=True):
        url = f"smtps://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{box.port}"
        MailServer(url, 5.0, ssl.create_default_context(cafile=str(made.file))).send(letter(), TO)
    assert len(box.of(TO)) == 1


@pytest.mark.parametrize("is_starttls", [True, False])
def test_a_wrong_certificate_is_refused_in_clear_words(tmp_path: Path, *, is_starttls: bool) -> None:
    """An unknown authority and another host's certificate each say what is wrong; nothing is sent."""
    made, box = self_signed(tmp_path, "DNS:mail.example.org"), Postbox()
    ours = context_of(made)
    with receiving(box, None if is_starttls else ours, starttls=ours if is_starttls else None):
        url = f"{'smtp' if is_starttls else 'smtps'}://{USER}:x@{ELSEWHERE}:{box.port}"
        with pytest.raises(MailUnavailable, match=r"certificate is not trusted \(self-signed certificate\)"):
            MailServer(url, 5.0).send(letter(), TO)
        with pytest.raises(
            MailUnavailable, match=rf"its certificate is not for {ELSEWHERE}; name the server"
        ):
            MailServer(url, 5.0, ssl.create_default_context(cafile=str(made.file))).send(letter(), TO)
    assert box.letters == []


def test_a_password_needs_tls() -> None:
    """A server elsewhere that offers no TLS gets no password, and smtps says that it speaks none."""
    box = Postbox()
    with receiving(box):
        with pytest.raises(MailUnavailable, match="offers no TLS, so the password was not sent"):
            MailServer(f"smtp://u:p@{ELSEWHERE}:{box.port}", 5.0).probe()
        with pytest.raises(MailUnavailable, match="does not speak TLS from the start"):
            MailServer(f"smtps://127.0.0.1:{box.port}", 5.0).probe()


def test_faults_are_for_ever_or_for_now() -> None:
    """An address that is refused with 5xx is refused; 4xx, a closed port and silence are faults of now."""
    box = Postbox()
    with receiving(box):
        box.refused = {TO: "550 no such person"}
        with pytest.raises(MailRefused, match="550 no such person"):
            MailServer(box.url, 5.0).send(letter(), TO)
        box.refused, box.is_down = {}, True
        with pytest.raises(MailUnavailable, match="451"):
            MailServer(box.url, 5.0).send(letter(), TO)
    with pytest.raises(MailUnavailable, match="refused"):
        MailServer(f"smtp://127.0.0.1:{free_port()}", 5.0).probe()
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(MailUnavailable, match="timed out"):
        MailServer(f"smtp://127.0.0.1:{silent.getsockname()[1]}", 0.2).probe()
