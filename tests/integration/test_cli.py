"""The command line, every command: what it does, prints and refuses, and its exit codes."""

import asyncio
import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from switch import keyfile, limits
from switch.clock import SYSTEM_CLOCK
from tests.databases import ADMIN, Database
from tests.integration import running
from tests.integration.running import CURRENCY, Said, paying, serving, switch

INTRODUCE = """
    SELECT i.refusal FROM ledger.participant, ledger.introduce_key(participant_no,
        gen_random_uuid()::text, sha256(''), gen_random_uuid(), $2, $3, $4, NULL, NULL, 9) i
     WHERE id = $1
"""
NOBODY = "00000000-0000-7000-8000-000000000000"


class Desk:
    """The operator at one database, by URL."""

    def __init__(self, database: Database) -> None:
        self.url = database.url(ADMIN)

    async def __call__(self, *arguments: object) -> Any:
        """A command that must work; its JSON document."""
        said = await self.say(*arguments, "--json")
        assert said.code == 0, said
        assert said.err == ""
        return said.document

    async def say(self, *arguments: object) -> Said:
        """Any command."""
        return await switch(*arguments, SWITCH_ADMIN_DATABASE_URL=self.url)

    async def refused(self, *arguments: object, code: int = 1) -> str:
        """A command that must fail; its one line."""
        said = await self.say(*arguments)
        assert said.code == code, said
        assert said.out == ""
        return said.complaint

    async def participant(self, kind: str) -> str:
        """A new participant."""
        name = f"{kind}-{uuid4().hex[:12]}"
        await self("participant", "add", name, "--kind", kind)
        return name

    async def account(self, kind: str = "position", holder: str = "bank") -> str:
        """A new account of a new participant."""
        name = await self.participant(holder)
        made = await self(
            *("account", "open", "--participant", name, "--kind", kind, "--currency", CURRENCY)
        )
        return str(made["id"])


@pytest_asyncio.fixture(loop_scope="session")
async def desk(database: Database) -> Desk:
    """The operator."""
    return Desk(database)


async def test_participants(desk: Desk) -> None:
    """Participants are added, changed, suspended, resumed and listed."""
    name = await desk.participant("bank")
    await desk("participant", "set", name, "--bank-url", "https://bank.example/")
    assert (await desk("participant", "suspend", name))["status"] == "suspended"
    listed = {row["id"]: row for row in (await desk("participant", "list"))["participants"]}
    assert listed[name]["kind"] == "bank"
    assert listed[name]["status"] == "suspended"
    assert listed[name]["bank_url"] == "https://bank.example/"
    assert (await desk("participant", "resume", name))["status"] == "active"
    assert name in (await desk.say("participant", "list")).out
    assert "exists already" in await desk.refused("participant", "add", name, "--kind", "bank")
    assert "—" in await desk.refused("participant", "suspend", "nobody-here")
    assert await desk.refused("participant", "add", "x1", "--kind", "pirate")
    assert "--kind" in await desk.refused("participant", "add", "x1", code=2)


@pytest.mark.parametrize("option", ["--callback-url", "--bank-url"])
async def test_a_participant_is_called_over_https(desk: Desk, option: str) -> None:
    """Plain http is for loopback alone; anything else is wrong usage, and nothing is stored."""
    name = await desk.participant("bank")
    for url in ("http://bank.example/", "ftp://bank.example/", "bank.example", "https://:1/", "-"):
        assert url in await desk.refused("participant", "set", name, option, url, code=2)
        said = await desk.refused("participant", "add", "x2", "--kind", "bank", option, url, code=2)
        assert option in said
    for url in ("https://bank.example:8443/switch", "http://127.0.0.1:9/", "http://[::1]:9/", ""):
        await desk("participant", "set", name, option, url)


@pytest.mark.parametrize("tail", ["?y=1", "?", "#here", "#"])
async def test_a_bank_url_has_no_query_and_no_fragment(desk: Desk, tail: str) -> None:
    """Paths are appended to it, and would end up in them; a callback URL is called as it is."""
    name, url = await desk.participant("bank"), f"https://bank.example/switch{tail}"
    said = await desk.refused("participant", "set", name, "--bank-url", url, code=2)
    assert "no query and no fragment" in said
    await desk("participant", "set", name, "--callback-url", "https://bank.example/switch?y=1")


async def test_nothing_to_change_about_a_participant(desk: Desk) -> None:
    """Without an option there is nothing to do; the line names those there are."""
    said = await desk.refused("participant", "set", await desk.participant("bank"), code=2)
    assert "--callback-url" in said
    assert "--bank-url" in said


@pytest.mark.parametrize("code", ["cny", "CNYX", "XXX", "¥", ""])
async def test_a_currency_that_does_not_exist(desk: Desk, code: str) -> None:
    """Only codes of ISO 4217 in capitals are taken; the line says so."""
    for command in (
        ("account", "open", "--participant", "somebody", "--kind", "position"),
        ("tier", "set", "some"),
        ("tier", "default", "wallet", "some"),
    ):
        said = await desk.refused(*command, "--currency", code, code=2)
        assert "ISO 4217" in said
        assert "--currency" in said


async def test_numbers_beyond_the_ledger(desk: Desk) -> None:
    """What no account could hold is refused in words, before anything is done."""
    account = await desk.account()
    assert await desk.refused("issue", account, 10**15 + 1, "--reason", "much", code=2)
    assert "nothing was done" in await desk.refused("account", "set", account, "--floor", -(10**20))


async def test_keys(desk: Desk, tmp_path: Path) -> None:
    """A generated key is private, its public half is registered, listed and revoked."""
    file = tmp_path / "key.pem"
    said = await switch("key", "generate", file)
    assert said.code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    seed = keyfile.read_private_key(file)
    assert keyfile.parse_public_pem(said.out) == keyfile.public_key(seed)
    public = tmp_path / "public.pem"
    public.write_text(said.out)
    assert "never overwritten" in (await switch("key", "generate", file)).complaint

    name = await desk.participant("wallet")
    key_id = f"{name}/2026-11"
    validity = ("--not-before", "2026-11-01", "--not-after", "2027-11-01T12:00:00+08:00")
    await desk("key", "add", key_id, "--public-key", public, *validity)
    listed = {row["key_id"]: row for row in (await desk("key", "list"))["keys"]}
    assert listed[key_id]["not_before"] == "2026-11-01T00:00:00.000000Z"
    assert listed[key_id]["not_after"] == "2027-11-01T04:00:00.000000Z"
    assert listed[key_id]["public_key"] == said.out.rstrip("\n") + "\n"
    assert listed[key_id]["revoked_at"] is None
    await desk("key", "revoke", key_id)
    listed = {row["key_id"]: row for row in (await desk("key", "list"))["keys"]}
    assert listed[key_id]["revoked_at"] is not None
    assert key_id in (await desk.say("key", "list")).out


async def test_keys_that_participants_introduced(desk: Desk, tmp_path: Path) -> None:
    """The list says by whom; confirming keeps one, revoking says what else it revoked."""
    name = await desk.participant("wallet")
    public = tmp_path / "public.pem"
    public.write_text((await switch("key", "generate", tmp_path / "key.pem")).out)
    await desk("key", "add", f"{name}/one", "--public-key", public)
    connection = await asyncpg.connect(desk.url)
    for made, by in (("two", "one"), ("three", "one"), ("four", "three")):
        await connection.execute(INTRODUCE, name, by, made, os.urandom(32))
    await connection.close()

    async def listed() -> dict[str, Any]:
        return {row["key_id"]: row for row in (await desk("key", "list"))["keys"]}

    assert (await listed())[f"{name}/four"]["introduced_by"] == f"{name}/three"
    assert (await listed())[f"{name}/one"]["introduced_by"] is None
    assert await desk("key", "confirm", f"{name}/two") == {"key_id": f"{name}/two"}
    gone = [f"{name}/four", f"{name}/one", f"{name}/three"]
    said = await desk.say("key", "revoke", f"{name}/one")
    assert said.out.strip() == f"{name}/one is revoked, and with it {gone[0]}, {gone[2]}"
    assert (await desk("key", "revoke", f"{name}/one"))["revoked"] == []
    rows = await listed()
    assert {key for key in rows if key.startswith(name) and rows[key]["revoked_at"]} == set(gone)
    assert rows[f"{name}/two"]["confirmed_at"] is not None
    other = tmp_path / "other.pem"
    other.write_text((await switch("key", "generate", tmp_path / "key2.pem")).out)
    await desk("key", "add", f"{name}/five", "--public-key", other)
    assert "added by the operator" in await desk.refused("key", "confirm", f"{name}/five")
    assert "is revoked" in await desk.refused("key", "confirm", f"{name}/four")
    assert "no key" in await desk.refused("key", "confirm", f"{name}/none")


async def test_how_long_introduced_keys_may_be_good(desk: Desk) -> None:
    """Between a day and ten years; anything else is wrong usage."""
    for days in (0, 3661):
        assert "--key-validity-max" in await desk.refused(
            "migrate", "--key-validity-max", days, code=2
        )
    await desk("migrate", "--key-validity-max", 7)
    await desk("migrate")
    connection = await asyncpg.connect(desk.url)
    assert await connection.fetchval("SELECT ledger.key_validity_days_max()") == 7
    await connection.close()


async def test_keys_that_are_refused(desk: Desk, tmp_path: Path) -> None:
    """A key that cannot be trusted is not, and the line says what is wrong with it."""
    name = await desk.participant("wallet")
    missing = tmp_path / "missing.pem"
    add = ("key", "add", f"{name}/one", "--public-key")
    assert "cannot read" in await desk.refused(*add, missing)
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_bytes(b"\xff\xfe")
    assert "switch key generate" in await desk.refused(*add, nonsense)
    public = tmp_path / "public.pem"
    public.write_text((await switch("key", "generate", tmp_path / "key.pem")).out)
    assert "PARTICIPANT/NAME" in await desk.refused("key", "add", name, "--public-key", public)
    assert "begins" in await desk.refused(*add, public, "--not-after", "2001-01-01")
    assert "--not-after" in await desk.refused(*add, public, "--not-after", "soon", code=2)
    assert await desk.refused("key", "revoke", f"{name}/none")


async def test_the_switch_rotates_its_own_key(desk: Desk, tmp_path: Path) -> None:
    """Each rotation makes a new private file and publishes one more key."""
    made = [await desk("key", "rotate", "--key-dir", tmp_path) for _ in range(2)]
    assert made[0]["key_id"] != made[1]["key_id"]
    published = {row["key_id"]: row["public_key"] for row in (await desk("key", "list"))["keys"]}
    for rotated in made:
        seed = keyfile.read_private_key(Path(rotated["file"]))
        assert published[rotated["key_id"]] == keyfile.public_pem(keyfile.public_key(seed))
    rotate = ("key", "rotate", "--key-dir", tmp_path)
    assert "signs from now on" in (await desk.say(*rotate, "--not-before", "now")).out
    assert "signs from now on" in (await desk.say(*rotate, "--not-before", "2020-01-01")).out
    later = await desk.say(*rotate, "--not-before", "2099-01-01")
    assert "signs from 2099-01-01T00:00:00.000000Z on" in later.out


async def test_a_key_of_the_switch_is_ended(desk: Desk, tmp_path: Path) -> None:
    """It stays listed, its validity is over; the last one that signs is not ended."""
    rotate = ("key", "rotate", "--key-dir", tmp_path, "--not-before", "now")
    lost, kept = [(await desk(*rotate))["key_id"] for _ in range(2)]
    for _ in range(2):
        await desk("key", "revoke", lost)
    listed = {row["key_id"]: row for row in (await desk("key", "list"))["keys"]}
    now = SYSTEM_CLOCK.now()
    assert datetime.fromisoformat(listed[lost]["not_after"]) < now
    assert datetime.fromisoformat(listed[kept]["not_after"]) > now
    assert "switch key list" in await desk.refused("key", "revoke", "switch/none")


async def test_a_new_key_of_the_switch_is_published_before_it_signs(
    desk: Desk, tmp_path: Path
) -> None:
    """It signs at once where nothing else can, otherwise when caches have long forgotten."""
    rotate = ("key", "rotate", "--key-dir", tmp_path)
    before = SYSTEM_CLOCK.now()
    first = await desk(*rotate)
    assert before <= datetime.fromisoformat(first["not_before"]) <= SYSTEM_CLOCK.now()
    lead = timedelta(seconds=limits.SWITCH_KEY_LEAD_S)
    before = SYSTEM_CLOCK.now()
    second = await desk(*rotate)
    assert before + lead <= datetime.fromisoformat(second["not_before"])
    assert datetime.fromisoformat(second["not_before"]) <= SYSTEM_CLOCK.now() + lead
    await asyncio.to_thread(Path(first["file"]).unlink)
    said = await desk.say(*rotate)
    assert "signs from now on" in said.out, "the first key's private half is lost"


async def test_tiers(desk: Desk) -> None:
    """Limits are set by tier, and a tier can be the default of a kind."""
    limits = ("--payment-limit", 100, "--daily-limit", 200, "--balance-limit", 300)
    limits += ("--yearly-limit", 400)
    await desk("tier", "set", "small", "--currency", CURRENCY, *limits, "--choosable")
    await desk("tier", "default", "wallet", "small", "--currency", CURRENCY)
    listed = {row["name"]: row for row in (await desk("tier", "list"))["tiers"]}
    assert listed["small"] == {
        "name": "small",
        "currency": CURRENCY,
        "payment_limit": 100,
        "daily_limit": 200,
        "yearly_limit": 400,
        "balance_limit": 300,
        "choosable": True,
        "default_for": ["wallet"],
    }
    wallet = await desk("account", "show", await desk.account("wallet", "wallet"))
    assert wallet["tier"] == "small"
    assert (wallet["limits"]["daily_left"], wallet["limits"]["yearly_left"]) == (200, 400)
    assert "small" in (await desk.say("tier", "list")).out
    assert "switch tier set" in await desk.refused("tier", "default", "wallet", "none-such")
    assert await desk.refused(
        "tier", "set", "small", "--currency", CURRENCY, "--daily-limit", -1, code=2
    )


async def test_accounts(desk: Desk) -> None:
    """Accounts are opened, changed, frozen, closed and shown."""
    account = await desk.account()
    await desk("account", "set", account, "--floor", -500)
    shown = await desk("account", "show", account)
    assert shown["id"] == account
    assert shown["floor"] == -500
    assert shown["available"] == 500
    assert (await desk("account", "freeze", account))["frozen_by"] == "operator"
    assert (await desk("account", "unfreeze", account))["frozen_by"] is None
    assert (await desk("account", "close", account))["status"] in {"closing", "closed"}
    said = await desk.say("account", "show", account)
    assert account in said.out
    assert "available" in said.out
    assert "floor" in await desk.refused("account", "set", account, code=2)
    assert NOBODY in await desk.refused("account", "show", NOBODY)
    assert await desk.refused("account", "show", "not-an-id", code=2)


async def test_a_text_answer_is_the_bare_id(desk: Desk) -> None:
    """Ids are printed alone, so that a script may take them."""
    name = await desk.participant("bank")
    options = ("--participant", name, "--kind", "position", "--currency", CURRENCY)
    said = await desk.say("account", "open", *options)
    assert (await desk("account", "show", said.out.strip()))["participant"] == name
    issued = await desk.say("issue", said.out.strip(), 5, "--reason", "test")
    assert len(issued.out.strip()) == len(NOBODY)


async def test_money_is_issued_and_redeemed(desk: Desk) -> None:
    """Money comes into circulation and out of it; the books stay right."""
    account = await desk.account()
    await desk("issue", account, 1_000, "--reason", "first deposit")
    await desk("redeem", account, 400, "--reason", "withdrawal")
    assert (await desk("account", "show", account))["balance"] == 600
    once = ("issue", account, 50, "--reason", "repeated", "--id", str(uuid4()))
    assert [(await desk(*once))["id"] for _ in range(2)] == [once[-1]] * 2
    assert "another payment" in await desk.refused("redeem", *once[1:])
    await desk("redeem", account, 50, "--reason", "repeated")
    assert (await desk("account", "show", account))["balance"] == 600
    assert await desk("check-books") == {"right": True, "deviations": []}
    assert (await desk.say("check-books")).out == "the books are right\n"
    assert await desk.refused("redeem", account, 601, "--reason", "too much")
    assert await desk.refused("issue", NOBODY, 1, "--reason", "nobody")
    assert await desk.refused("issue", account, 0, "--reason", "nothing", code=2)
    assert "--reason" in await desk.refused("issue", account, 1, code=2)


async def test_wrong_books_are_listed(desk: Desk, database: Database) -> None:
    """`check-books` names every deviation and exits with 1."""
    account = await desk.account()
    connection = await database.connect()
    change = "UPDATE ledger.account SET balance = balance + $1 WHERE id = $2::uuid"
    await connection.execute(change, 1, account)
    said = await desk.say("check-books", "--json")
    assert said.code == 1
    assert said.document["right"] is False
    assert account in json.dumps(said.document["deviations"])
    assert "wrong" in said.complaint
    await connection.execute(change, -1, account)
    await connection.close()


async def test_status_and_version(desk: Desk) -> None:
    """The state is told with and without running processes."""
    state = await desk("status", "--admin-port", 1)
    assert state["processes"] is None
    assert state["unfolded_credits"] == 0
    assert (state["waiting_events"], state["dead_events"]) == (0, 0)
    assert state["participants"] >= 0
    said = await desk.say("status", "--admin-port", 1)
    assert "fold_lag_s" in said.out
    assert "no supervisor answers at http://127.0.0.1:1" in said.out
    assert set((await switch("version", "--json")).document) == {"version", "python"}
    assert (await switch("version")).out.startswith("switch ")


async def test_migrating_twice_changes_nothing(desk: Desk) -> None:
    """A migration that is done says so."""
    assert (await desk("migrate"))["applied"] == []
    assert "Asia/Nowhere" in await desk.refused("migrate", "--time-zone", "Asia/Nowhere")


async def test_usage_errors(desk: Desk) -> None:
    """Wrong usage is one line that names the help, exit code 2."""
    assert "switch --help" in await desk.refused("fly", code=2)
    assert "switch key --help" in await desk.refused("key", "fly", code=2)
    assert "switch tier set --help" in await desk.refused("tier", "set", code=2)
    said = await switch("key", "--help")
    assert said.code == 0
    assert "rotate" in said.out


async def test_an_external_database_is_not_mistaken(tmp_path: Path) -> None:
    """With SWITCH_DATABASE_URL set, the operator's commands never start an embedded database."""
    said = await switch("participant", "list", SWITCH_DATABASE_URL="postgresql://x@/y")
    assert said.code == 1
    assert "--admin-database-url" in said.complaint
    said = await switch("participant", "list", "--data-dir", tmp_path / "none")
    assert said.code == 1
    assert not (tmp_path / "none").exists()


async def test_the_embedded_database_is_started_for_a_command(tmp_path: Path) -> None:
    """On a stopped switch a command starts the database, and stops it again."""
    data_dir = ("--data-dir", tmp_path / "data")
    assert (await switch("migrate", *data_dir)).code == 0
    assert (await switch("participant", "add", "bank-a", "--kind", "bank", *data_dir)).code == 0
    said = await switch("participant", "list", "--json", SWITCH_DATA_DIR=str(tmp_path / "data"))
    assert [row["id"] for row in said.document["participants"]] == ["bank-a"]
    assert not (tmp_path / "data" / "postgres" / "postmaster.pid").exists()


async def test_commands_beside_a_running_switch(tmp_path: Path) -> None:
    """Workers notice what the operator does: a payment by hand, a revoked key, a new own key."""
    data_dir = ("--data-dir", tmp_path / "data")
    async with serving(tmp_path, *data_dir, "--workers", 2) as server:
        admin_url = running.embedded_url(tmp_path / "data")
        async with paying(server.url, admin_url, tmp_path) as payer:
            pay = ("pay", "--key", payer.key_file, "--keyid", payer.key_id, "--url", server.url)
            pay += ("--payer", payer.wallet, "--payee", payer.shop, "--currency", CURRENCY)
            said = await switch(*pay, "--amount", 1250, "--json")
            assert said.code == 0, said
            assert said.document["status"] == "completed"
            by_key = (*pay, "--amount", 1, "--idempotency-key", "once", "--json")
            assert (await switch(*by_key)).out == (await switch(*by_key)).out
            declined = await switch(*pay, "--amount", 10**15, "--json")
            assert declined.code == 1
            assert declined.document["reason"] == "insufficient_funds"
            assert "insufficient_funds" in declined.complaint
            for again in (("--payee-reference", "x" * 35), ("--idempotency-key", "x" * 65)):
                refused = await switch(*pay, "--amount", 1, *again)
                assert refused.code == 1
                assert f"correct {again[0]}" in refused.complaint
            reused = await switch(*pay, "--amount", 2, "--idempotency-key", "once")
            assert "another --idempotency-key" in reused.complaint

            payment = said.document["id"]
            reverse = ("reverse", payment, "--reason", "mistake", "--json", *data_dir)
            assert (await switch(*reverse)).document["outcome"] == "approved"
            assert f"nothing of payment {payment} is left" in (await switch(*reverse)).complaint

            rotated = (await switch("key", "rotate", "--json", *data_dir)).document["key_id"]
            await running.until(
                lambda: _is_published(server.url, rotated), "the new key is published"
            )
            assert (await switch(*pay, "--amount", 1)).code == 0
            port = server.admin_url.rsplit(":", 1)[1]
            for where in (("--admin-port", port), ()):
                state = (await switch("status", "--json", *where, *data_dir)).document
                assert state["processes"]["worker-1"] == "serves"

            assert (await switch("key", "revoke", payer.key_id, *data_dir)).code == 0
            refused = await switch(*pay, "--amount", 1)
            assert refused.code == 1
            assert "key-unknown" in refused.complaint or "key-not-valid" in refused.complaint
        assert await server.end() == 0
        assert "Unknown child process" not in server.messages.read_text()
        assert not (tmp_path / "data" / "admin.url").exists()


async def test_paying_into_the_void(tmp_path: Path) -> None:
    """`switch pay` says when there is no switch, no key, or no such thing as a URL."""
    key = tmp_path / "key.pem"
    await switch("key", "generate", key)
    pay = ("pay", "--keyid", "a/b", "--payer", NOBODY, "--payee", NOBODY, "--amount", 1)
    pay += ("--currency", CURRENCY)
    said = await switch(*pay, "--key", tmp_path / "none.pem", "--url", "http://127.0.0.1:1")
    assert said.code == 1
    assert "switch key generate" in said.complaint
    said = await switch(*pay, "--key", key, "--url", "http://127.0.0.1:1")
    assert said.code == 1
    assert "the payment was not sent" in said.complaint
    assert "switch serve" in said.complaint
    said = await switch(*pay, "--key", key, "--url", "ftp://127.0.0.1")
    assert said.code == 1
    assert "ftp" in said.complaint


@pytest.mark.parametrize(
    ("option", "value"),
    [("--type", "gift"), ("--payer", "nope"), ("--payee", "nope"), ("--amount", 10**15 + 1)],
)
async def test_a_payment_that_cannot_be(option: str, value: object) -> None:
    """What no switch would take is wrong usage, and the option is named."""
    pay = ("pay", "--keyid", "a/b", "--key", "none.pem", "--url", "http://127.0.0.1:1")
    pay += ("--payer", NOBODY, "--payee", NOBODY, "--amount", "1", "--currency", CURRENCY)
    said = await switch(*pay, option, value)
    assert said.code == 2
    assert option in said.complaint


async def _is_published(url: str, key_id: str) -> bool:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/.well-known/jwks.json") as answer,
    ):
        document = await answer.json(content_type=None)
    return key_id in {key["kid"] for key in document["keys"]}
