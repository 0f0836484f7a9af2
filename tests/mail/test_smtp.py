"""Mail goes through a real server: with and without TLS, with a password, and with clear faults."""

import socket
import ssl
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest
from certificates import self_signed
from fronting import free_port
from mail_server import PASSWORD, USER, Postbox, receiving

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
