"""The shell scripts of docs/INTEGRATING.md pay at a live switch and check its answer."""

import asyncio
import json
import re
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from switch import keyfile
from tests.conftest import missing
from tests.integration.town import Member, Town, payment

DOCUMENT = (Path(__file__).parents[2] / "docs" / "INTEGRATING.md").read_text()


def run(
    script: str, folder: Path, arguments: list[str], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """One script of the document, to its end."""
    return subprocess.run(
        ["sh", script, *arguments],
        cwd=folder,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A folder with pay.sh and check.sh as the document prints them."""
    for tool in ("openssl", "curl"):
        if shutil.which(tool) is None:
            missing(tool)
    blocks = re.findall(r"```sh\n(#!/bin/sh\n.*?)```", DOCUMENT, re.DOTALL)
    assert len(blocks) == 2
    for name, text in zip(("pay.sh", "check.sh"), blocks, strict=True):
        (tmp_path / name).write_text(text)
    return tmp_path


async def test_scripts_of_the_document_pay_and_check(
    scripts: Path, town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """With a shell, curl and openssl alone a payment is decided and its answer verified.

    The check fails for the answer to another request, and after any change of the body.
    """
    keyfile.write_private_key(scripts / "key.pem", wallet.key.secret[: keyfile.SEED_BYTES])
    body = json.dumps(payment(payer, payee, 1))
    arguments = [body, f'"{uuid.uuid4()}"']
    environment = {
        "URL": f"http://{town.authority}",
        "KEY": "key.pem",
        "KEYID": wallet.key.key_id,
    }
    paid = await asyncio.to_thread(run, "pay.sh", scripts, arguments, environment)
    assert paid.returncode == 0, paid.stderr
    assert json.loads(paid.stdout)["status"] == "completed"

    head = (scripts / "answer.head").read_text()
    published = (await town.raw("GET", "/.well-known/jwks.json")).json["keys"]
    named = [jwk["x"] for jwk in published if f'keyid="{jwk["kid"]}"' in head]
    assert len(named) == 1
    environment = {"SWITCH_X": named[0]}
    checked = run("check.sh", scripts, arguments, environment)
    assert checked.returncode == 0, checked.stderr
    assert "Signature Verified Successfully" in checked.stdout

    assert run("check.sh", scripts, [body, '"another"'], environment).returncode != 0
    with (scripts / "answer.body").open("ab") as answer:
        answer.write(b" ")
    assert run("check.sh", scripts, arguments, environment).returncode != 0
