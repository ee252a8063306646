"""`switch conformance` as an integrator runs it: what it says of good servers and of liars."""

from pathlib import Path

import pytest

from switch import keyfile
from switch.conformance.forgeries import FORGERIES
from tests.integration.running import Said, switch
from tests.integration.simulated import Participant, Simulated, participant, simulating
from tests.integration.town import free_port


@pytest.fixture
def who(tmp_path: Path) -> Participant:
    """A participant and the switch that is played."""
    made = participant(tmp_path)
    [public] = made.public_keys.values()
    (tmp_path / "bank.pub").write_text(keyfile.public_pem(public.public_key))
    return made


async def tried(who: Participant, url: str, *more: object) -> Said:
    """The command, as an integrator runs it."""
    return await switch(
        *("conformance", url, "--key", who.folder / "switch.pem", "--keyid", "switch/one"),
        *("--participant-key", f"{who.key.key_id}={who.folder / 'bank.pub'}", "--json", *more),
    )


def failures(said: Said) -> set[str]:
    """The checks that failed."""
    return {one["check"] for one in said.document["checks"] if one["result"] == "failed"}


def skips(said: Said) -> set[str]:
    """The checks that could not be tried."""
    return {one["check"] for one in said.document["checks"] if one["result"] == "skipped"}


async def bank_with(bank: Simulated, who: Participant, **knobs: object) -> Said:
    """What is said about a simulated bank with some knobs turned."""
    await bank.turn(**knobs)
    return await tried(who, bank.url)


async def test_the_simulated_bank_passes_wholly(who: Participant, tmp_path: Path) -> None:
    """As a bank and as a callback; also when it declines everything, or is now and then away."""
    async with simulating("bank", tmp_path / "log", *who.options) as bank:
        said = await tried(who, bank.url)
        assert said.code == 0, said
        document = said.document
        assert document["failed"] == 0
        assert skips(said) == {"meets-a-new-key"}  # its keys come from a file
        assert document["passed"] + 1 == len(document["checks"]) == 17 + len(FORGERIES)
        said = await tried(who, f"{bank.url}/events", "--kind", "callback")
        assert said.code == 0, said
        assert said.document["passed"] + 1 == len(said.document["checks"]) == 9 + len(FORGERIES)
        said = await bank_with(bank, who, decline=1)
        assert said.code == 0, said
        assert skips(said) == {"declines-what-was-reversed", "meets-a-new-key"}
        said = await bank_with(bank, who, decline=0, refuse=0.02, twice=0.5)
        assert said.code == 0, said


async def test_a_bank_that_lies_fails_at_its_line(who: Participant, tmp_path: Path) -> None:
    """A bad signature, another amount, and an answer that is too late are told apart."""
    async with simulating("bank", tmp_path / "log", *who.options) as bank:
        said = await bank_with(bank, who, lie="signature")
        assert (said.code, failures(said)) == (1, {"signs-its-answers"})
        said = await bank_with(bank, who, lie="amount")
        assert (said.code, failures(said)) == (1, {"says-what-it-was-asked"})
        said = await bank_with(bank, who, lie=None, drop=1)
        assert (said.code, failures(said)) == (1, {"answers"})
        assert said.document["skipped"] == len(said.document["checks"]) - 1
        assert "gave no answer" in said.err


async def test_a_report_for_people_says_what_to_do(who: Participant, tmp_path: Path) -> None:
    """A table of all checks; below it, for each failure, what was seen and what to do."""
    (tmp_path / "other").mkdir()
    stranger = participant(tmp_path / "other")
    async with simulating("bank", tmp_path / "log", *stranger.options) as bank:
        said = await switch(
            *("conformance", bank.url, "--key", who.folder / "switch.pem"),
            *("--participant-key", f"{who.key.key_id}={who.folder / 'bank.pub'}"),
        )
    assert said.code == 1
    rows = said.out.splitlines()
    assert rows[0].split() == ["check", "result", "promise"]
    assert len(rows) == 1 + 17 + len(FORGERIES)
    first, last = said.err.splitlines()
    assert first.startswith("switch: answers: answered 401 ")
    assert "key-unknown" in first
    assert "register the keys that `--print-jwks` prints" in first
    assert last == "switch: 1 of 29 checks failed, 28 could not be tried"


async def test_the_keys_are_printed_or_published(who: Participant, tmp_path: Path) -> None:
    """An integrator registers the printed set, or has the server fetch it while it is tried.

    Then a new key is published as well, and met: nothing is left untried.
    """
    printed = await switch("conformance", "--key", who.folder / "switch.pem", "--print-jwks")
    assert printed.code == 0
    [key] = keyfile.parse_jwks(printed.out).values()
    assert key.key_id == "switch/conformance"
    port = free_port()
    options = (*who.identity, "--jwks", f"http://127.0.0.1:{port}/.well-known/jwks.json")
    async with simulating("bank", tmp_path / "log", *options) as bank:
        for url, kind in ((bank.url, "bank"), (f"{bank.url}/events", "callback")):
            said = await tried(who, url, "--kind", kind, "--jwks-port", port)
            assert said.code == 0, said
            assert said.document["passed"] == len(said.document["checks"])


async def test_what_is_asked_wrongly_is_refused(who: Participant, tmp_path: Path) -> None:
    """A URL over a network without TLS, a key that is none, and a bank without its public key."""
    key = ("--key", who.folder / "switch.pem")
    said = await switch("conformance", "http://bank.example", *key, "--kind", "callback")
    assert said.code == 1
    assert "give an https URL" in said.complaint
    said = await switch("conformance", "http://127.0.0.1:1/?to=us", *key)
    assert "no query and no fragment" in said.complaint
    said = await switch("conformance", "http://127.0.0.1:1", *key)
    assert said.complaint.endswith("give --participant-key KEYID=FILE")
    said = await switch("conformance", "http://127.0.0.1:1", *key, "--participant-key", "red")
    assert "is not KEYID=FILE" in said.complaint
    assert (await switch("conformance", *key)).code == 2
