"""What docs/INTEGRATING.md says of servers to try and to be tried is what happens."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from switch import limits
from switch.bank_message import DECISIONS
from switch.conformance.forgeries import FORGERIES
from tests.integration.running import START_S_MAX, environment
from tests.integration.town import free_port

DOCUMENT = (Path(__file__).parents[2] / "docs" / "INTEGRATING.md").read_text()
CHAPTER = DOCUMENT.partition("## Trying your server\n")[2].partition("\n## ")[0]


def commands() -> list[str]:
    """The first block of commands of the chapter."""
    return CHAPTER.partition("```sh\n")[2].partition("```")[0].splitlines()


async def test_the_commands_of_the_document_try_a_server(tmp_path: Path) -> None:
    """As printed, one after the other, each ends well; the ports alone are others."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = environment(PATH=beside)
    assert shutil.which("switch", path=beside) is not None
    port, jwks_port, bank = str(free_port()), str(free_port()), None
    try:
        for command in commands():
            text = command.replace("9100", port).replace("9101", jwks_port)
            stays = text.endswith(" &")
            process = await asyncio.create_subprocess_shell(
                f"exec {text.removesuffix(' &')}",
                cwd=tmp_path,
                env=variables,
                stderr=asyncio.subprocess.PIPE,
            )
            assert process.stderr is not None
            if stays:
                bank = process
                line = await asyncio.wait_for(process.stderr.readline(), START_S_MAX)
                assert line == f"switch: ready on http://127.0.0.1:{port}\n".encode()
                continue
            _, err = await asyncio.wait_for(process.communicate(), START_S_MAX)
            assert process.returncode == 0, (command, err)
    finally:
        if bank is not None:
            bank.terminate()
            _, err = await bank.communicate()
            assert bank.returncode == 0, err
    assert (tmp_path / "bank.log").exists()


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("twelve forgeries", len(FORGERIES) == 12),
        ("each of a bank's three paths", len(DECISIONS) == 3),
        ("75 seconds to fetch the new\none; if it fetches at most every ten",
         (limits.CONFORMANCE_NEW_KEY_S_MAX, limits.CLIENT_KEYS_REFETCH_S) == (75, 10)),
        ("longer than five seconds", limits.BANK_WAIT_S == 5),
        ("An authorization has 30 seconds", limits.BANK_DEADLINE_S == 30),
        ("A body has at most 64 KiB, that of an answer too",
         limits.BODY_BYTES_MAX == limits.CALLBACK_ANSWER_BYTES_MAX == 64 * 1024),
    ],
)  # fmt: skip
def test_the_numbers_of_the_document_are_those_of_the_program(words: str, number: bool) -> None:
    """Whoever changes one of them finds the other."""
    assert words in DOCUMENT
    assert number
