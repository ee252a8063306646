"""The files for Prometheus: promtool finds them good, and every alert is tried and explained."""

import re
import shutil
import subprocess

from switch.config import ADMIN_PORT_DEFAULT
from tests.conftest import missing
from tests.ops.files import OPERATING, PROMETHEUS, RULES, alert_names

CHECK_S_MAX = 120
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
TRIED = re.compile(
    r'expr: ALERTS\{alertname="(\w+)", alertstate="firing"\}\n +eval_time: \w+\n'
    r" +exp_samples:(?P<quiet> \[\])?"
)


def promtool(*arguments: object) -> str:
    """What it says when it is content."""
    if shutil.which("promtool") is None:
        missing("promtool")
    done = subprocess.run(
        ["promtool", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=CHECK_S_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_and_its_rules_are_valid() -> None:
    """As an operator would check them before a reload."""
    said = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert "2 rule files found" in said
    assert f"{len(alert_names())} rules found" in said


def test_every_alert_fires_when_it_must_and_only_then() -> None:
    """The unit tests beside the rules."""
    assert TESTS
    promtool("test", "rules", *TESTS)


def test_every_alert_is_tried_quiet_and_firing() -> None:
    """An alert without a test of both sides may as well never fire."""
    tried = [found for path in TESTS for found in TRIED.finditer(path.read_text())]
    quiet = {found[1] for found in tried if found["quiet"]}
    firing = {found[1] for found in tried if not found["quiet"]}
    assert quiet == firing == set(alert_names())


def test_every_alert_leads_to_its_paragraph_of_the_run_book() -> None:
    """Severity, words for people, a link to a heading that is there; no heading is left over."""
    book = OPERATING[OPERATING.index("## Run book") : OPERATING.index("## Following one payment")]
    assert re.findall(r"^### (\w+)$", book, re.MULTILINE) == alert_names()
    for alert in RULES.split("- alert: ")[1:]:
        name = alert.split("\n", 1)[0]
        assert re.search(r"^ +severity: (page|ticket)$", alert, re.MULTILINE), name
        assert re.search(r"^ +summary: \S", alert, re.MULTILINE), name
        assert re.search(r'^ +description: "\S', alert, re.MULTILINE), name
        [link] = re.findall(r"^ +runbook_url: (\S+)$", alert, re.MULTILINE)
        assert link == f"docs/OPERATING.md#{name.lower()}"


def test_the_scraped_port_is_the_one_that_a_switch_opens() -> None:
    """Both files work together without a change on one machine."""
    assert f"- 127.0.0.1:{ADMIN_PORT_DEFAULT} " in (PROMETHEUS / "prometheus.yml").read_text()
