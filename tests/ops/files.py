"""What operators copy: where it lies, and what is read of it in more than one test."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "ops" / "prometheus"
DASHBOARD = ROOT / "ops" / "grafana" / "switch.json"
RULES = (PROMETHEUS / "rules" / "alerts.yml").read_text()
OPERATING = (ROOT / "docs" / "OPERATING.md").read_text()


def alert_names() -> list[str]:
    """Every alert, in the order of the file."""
    return re.findall(r"^ +- alert: (\w+)$", RULES, re.MULTILINE)
