"""The shell scripts of docs/INTEGRATING.md pay at a live switch and check its answer."""

import json
import re
import shutil
import subprocess
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest

from switch import keyfile
from tests.conftest import missing

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


def published_key(url: str, folder: Path) -> str:
    """The public key that the kept answer names, from the published document."""
    with urllib.request.urlopen(f"{url}/.well-known/jwks.json", timeout=30) as published:  # noqa: S310  loopback
        keys = {jwk["kid"]: jwk["x"] for jwk in json.load(published)["keys"]}
    named = re.search(r'keyid="([^"]+)"', (folder / "answer.head").read_text())
    assert named is not None
    return str(keys[named[1]])


def test_scripts_of_the_document_pay_and_check(scripts: Path, switch_server: Any) -> None:
    """With a shell, curl and openssl alone a payment is decided and its answer verified.

    The check fails for the answer to another request, and after any change of the body.
    """
    key_id, seed = switch_server.key(switch_server.payer_participant)
    keyfile.write_private_key(scripts / "key.pem", seed)
    body = json.dumps(
        {
            "type": "transfer",
            "payer": switch_server.payer,
            "payee": switch_server.payee,
            "amount": 1,
            "currency": switch_server.currency,
        }
    )
    arguments = [body, f'"{uuid.uuid4()}"']
    environment = {"URL": switch_server.url, "KEY": "key.pem", "KEYID": key_id}
    paid = run("pay.sh", scripts, arguments, environment)
    assert paid.returncode == 0, paid.stderr
    assert json.loads(paid.stdout)["status"] == "completed"

    environment = {"SWITCH_X": published_key(switch_server.url, scripts)}
    checked = run("check.sh", scripts, arguments, environment)
    assert checked.returncode == 0, checked.stderr
    assert "Signature Verified Successfully" in checked.stdout

    assert run("check.sh", scripts, [body, '"another"'], environment).returncode != 0
    with (scripts / "answer.body").open("ab") as answer:
        answer.write(b" ")
    assert run("check.sh", scripts, arguments, environment).returncode != 0
