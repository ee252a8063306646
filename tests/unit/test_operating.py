"""The operator's page says what the program does."""

from pathlib import Path

from switch import limits

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "OPERATING.md").read_text()


def test_connections_of_a_worker_are_counted_as_they_are() -> None:
    """Its lanes, one for steps, one for the participants, and those of the look-ups."""
    beside = 2 + limits.READ_CONNECTIONS_MAX
    lanes = limits.LANE_COUNT
    assert f"| `--lanes` | {lanes} |" in PAGE
    assert f"it holds up to {beside} more" in PAGE
    assert f"at most {lanes + beside} a worker (with {lanes} lane" in PAGE
