"""A certificate that nginx's config names, but that is not on the disk."""

from pathlib import Path
from typing import Any

from running import warned

from coverproxy.config import Front
from coverproxy.doctor.checks.finding import Level
from coverproxy.doctor.checks.front import certificates


def test_a_missing_certificate_is_a_problem(tmp_path: Path) -> None:
    """Each of the two files is looked for once TLS is on; an empty one is as good as none."""
    (tmp_path / "full.pem").write_text("-----BEGIN CERTIFICATE-----")
    (tmp_path / "key.pem").write_text("")
    files: dict[str, Any] = {"certificate": f"{tmp_path}/full.pem", "certificate_key": f"{tmp_path}/key.pem"}
    assert not list(certificates(Front(tls="off", **files)))
    found = list(certificates(Front(tls="http2", **files)))
    assert [each.level for each in found] == [Level.OK, Level.PROBLEM]
    assert f"front.certificate_key: {tmp_path}/key.pem does not exist" in found[1].found


def test_check_config_warns_of_it(tmp_path: Path) -> None:
    """The config is right, as it is before the first certificate; a warning names the file."""
    config = tmp_path / "config.toml"
    config.write_text(
        '[front]\ntls = "http2"\npublic_url = "https://covers.example.org"\n'
        f'certificate = "{tmp_path}/no.pem"\n'
    )
    said = warned("check-config", "--config", config)
    assert f"Warning: front.certificate: {tmp_path}/no.pem does not exist" in said
