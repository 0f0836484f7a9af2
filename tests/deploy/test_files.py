"""The files of deploy/: what they name exists."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from services import program

from coverproxy.stats.metrics import Metrics

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
DASHBOARD = DEPLOY / "grafana" / "coverproxy.json"


def served() -> set[str]:
    """The names of all metrics, as /metrics has them."""
    names = re.findall(r"^# TYPE (\w+) (\w+)", Metrics().text().decode(), flags=re.MULTILINE)
    return {f"{name}{end}" for name, _ in names for end in ("", "_bucket", "_sum", "_count")}


@pytest.mark.parametrize("file", [ALERTS, DASHBOARD], ids=lambda file: file.name)
def test_every_metric_is_served(file: Path) -> None:
    """Alerts and dashboard ask only for metrics that the service has."""
    asked = set(re.findall(r"\bcoverproxy_\w+", file.read_text(encoding="utf-8")))

    assert asked
    assert asked <= served()


def test_the_dashboard_is_whole() -> None:
    """Each panel has a number of its own, a unit and a query."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]

    assert len({each["id"] for each in panels}) == len(panels)
    assert all(each["targets"] and each["fieldConfig"]["defaults"]["unit"] for each in panels)


def test_prometheus_takes_the_alerts() -> None:
    """Prometheus' own checker finds no mistake in the alert rules."""
    promtool = program("promtool", package="prometheus")
    done = subprocess.run([promtool, "check", "rules", ALERTS], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
