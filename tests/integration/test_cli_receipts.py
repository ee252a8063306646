"""`switch receipt verify`: what it prints, what it refuses, and that its exit codes tell which."""

import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from switch import examples, keyfile, limits, receipt
from switch.cli import app
from switch.keyfile import PublicKey
from switch.message import Payment
from switch.signature import signing_key
from tests.integration.running import Said, switch

SEED = bytes(range(32, 64))
KEY_ID = "switch/2026-11"
ISSUED = 1_793_520_000
PAYMENT = msgspec.convert(examples.PAYMENT, Payment)
VALID_FROM = datetime(2026, 1, 1, tzinfo=UTC)
VALID_UNTIL = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A genuine receipt and the keys that were published with it."""
    token, jwks = tmp_path / "payment.receipt", tmp_path / "jwks.json"
    token.write_text(issued())
    jwks.write_bytes(keyfile.jwks_document([key()]))
    return token, jwks


def key(seed: bytes = SEED, not_after: datetime = VALID_UNTIL) -> PublicKey:
    """The switch's key as published."""
    public = keyfile.public_key(seed)
    return PublicKey(key_id=KEY_ID, public_key=public, not_before=VALID_FROM, not_after=not_after)


def issued(**changes: Any) -> str:
    """A receipt of the example's payment, perhaps of another."""
    payment = msgspec.structs.replace(PAYMENT, **changes)
    signing = signing_key(KEY_ID, SEED)
    return receipt.issue(payment, issuer="switch.example.org", key=signing, issued_at_s=ISSUED)


async def verify(token: Path, jwks: Path, *more: str) -> Said:
    """The command."""
    return await switch("receipt", "verify", token, "--jwks", jwks, *more)


async def test_a_genuine_receipt(files: tuple[Path, Path]) -> None:
    """Exit code 0, and what it says: for people line by line, for programs as one document."""
    said = await verify(*files)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0] == "the receipt is genuine"
    for words in (KEY_ID, "switch.example.org", PAYMENT.id, "completed", "1250", "CNY"):
        assert words in said.out
    said = await verify(*files, "--json")
    assert (said.code, said.err) == (0, "")
    members = said.document["receipt"]
    assert said.document["key_id"] == KEY_ID
    assert (members.pop("iss"), members.pop("iat")) == ("switch.example.org", ISSUED)
    assert members == {name: examples.PAYMENT[name] for name in members}


async def test_a_file_that_an_editor_saved(files: tuple[Path, Path]) -> None:
    """The end of the line is not part of the receipt."""
    token, _ = files
    for end in ("\n", "\r\n"):
        token.write_text(issued() + end, newline="")
        assert (await verify(*files)).code == 0


async def test_a_receipt_that_is_not_genuine(files: tuple[Path, Path]) -> None:
    """Exit code 1 and one line that says why; nothing on standard output, with --json neither."""
    token, jwks = files
    header, _, signature = issued().split(".")
    changed = issued(amount=9999).split(".")[1]
    stranger = keyfile.jwks_document([PublicKey(key_id="switch/x", public_key=key().public_key)])
    other = keyfile.jwks_document([key(seed=bytes(32))])
    ended = keyfile.jwks_document([key(not_after=datetime(2026, 10, 1, tzinfo=UTC))])
    good = keyfile.jwks_document([key()])
    cases = (
        (f"{header}.{changed}.{signature}", good, "not what switch/2026-11 signed"),
        (issued(), stranger, "a key that was not given"),
        (issued(), other, "not what switch/2026-11 signed"),
        (issued(), ended, "switch/2026-11 was not valid"),
        (json.dumps(examples.PAYMENT), good, "three parts"),
        ("", good, "three parts"),
        ("A" * 2 * limits.JWS_CHARS_MAX, good, "longer"),
        ("\N{BELL}.\N{SNOWMAN}.x", good, "base64url"),
    )
    for text, document, words in cases:
        token.write_text(text)
        jwks.write_bytes(document)
        for more in ((), ("--json",)):
            said = await verify(token, jwks, *more)
            assert (said.code, said.out) == (1, ""), said
            assert "not genuine" in said.complaint
            assert words in said.complaint


async def test_wrong_usage_is_no_forgery(files: tuple[Path, Path], tmp_path: Path) -> None:
    """Exit code 2: a file that is not there, keys that are none, an address instead of a file."""
    token, jwks = files
    nonsense = tmp_path / "nonsense.json"
    nonsense.write_text("[]")
    for one, two in (
        (tmp_path / "none", jwks),
        (tmp_path, jwks),
        (token, tmp_path / "none"),
        (token, nonsense),
        (token, "https://switch.example.org/.well-known/jwks.json"),
    ):
        said = await switch("receipt", "verify", one, "--jwks", two)
        assert (said.code, said.out) == (2, ""), said
        assert "FILE" in said.complaint or "--jwks" in said.complaint
    assert (await switch("receipt", "verify", token)).code == 2


def test_no_network_is_asked(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A receipt is checked where there is none: not a single socket is opened."""

    def no_socket(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", no_socket)
    monkeypatch.setattr(socket, "getaddrinfo", no_socket)
    token, jwks = files
    said = CliRunner().invoke(app, ["receipt", "verify", str(token), "--jwks", str(jwks)])
    assert said.exit_code == 0, said.output
