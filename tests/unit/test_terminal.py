"""How the command line speaks to a person."""

import pytest
from typer.testing import CliRunner

from switch.cli import app


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("serve", ["[embedded]", "[the workers']", "HOST[:PORT]", "[DATA_DIR/keys]"]),
        ("tier set", ["[none]"]),
        ("key rotate", ["[5 minutes from now"]),
        ("demo", ["[keep serving]"]),
    ],
)
def test_help_keeps_its_square_brackets(command: str, words: list[str]) -> None:
    """What stands in brackets is the default in words, no markup."""
    said = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "300"})
    assert said.exit_code == 0
    assert [word for word in words if word not in said.output] == []
    assert "\\" not in said.output
