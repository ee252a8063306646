"""Wallets over HTTP, on a real switch and a real ledger; and where personal data is not."""

import asyncio
import hashlib
import itertools
import json
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from switch.services.wallets import limits
from tests.databases import WORKER
from tests.integration.town import Member, Reply, Town
from tests.integration.two_workers import TwoWorkers

NUMBERS = itertools.count(13_900_000_000)
NAME, DOCUMENT = "Ouyang Xiaoming", "E87654321"
TIERS = {4: (200_000, 500_000, 5_000_000, 1_000_000), 2: (5_000_000, 10_000_000, None, 50_000_000)}
TABLES = """
    SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND n.nspname IN ('ledger', 'wallets')
"""


def phone() -> str:
    """A number that nobody has had so far."""
    return f"+86{next(NUMBERS)}"


async def offer(town: Town | TwoWorkers, *, currency: str = "CNY") -> None:
    """Make the tiers of two classes; the others are not offered."""
    for number, (payment, day, year, balance) in TIERS.items():
        await town.operator.set_tier(
            f"wallet-class-{number}", currency=currency, payment_limit=payment, daily_limit=day,
            yearly_limit=year, balance_limit=balance,
        )  # fmt: skip


async def register(
    town: Town | TwoWorkers, holder: Member, *, key: str | None = None, **content: Any
) -> Reply:
    """Register a wallet in the usual currency; of class 4 unless told otherwise."""
    content = {"currency": "CNY", "class": 4} | content
    return await town.send(holder, "POST", "/v1/wallets", content=content, key=key or uuid4().hex)


async def resolve(town: Town | TwoWorkers, asker: Member, number: str) -> Reply:
    """Ask whom a number names."""
    return await town.send(
        asker, "POST", "/v1/aliases/resolve", key=uuid4().hex,
        content={"phone": number, "currency": "CNY"},
    )  # fmt: skip


@pytest_asyncio.fixture(loop_scope="session")
async def provider(town: Town, wallet: Member) -> Member:
    """A wallet provider in a town that offers classes 4 and 2."""
    await offer(town)
    return wallet


async def test_an_anonymous_wallet_needs_nothing(town: Town, provider: Member) -> None:
    """201 with the account, in the tier of its class with its limits; an account as others."""
    first = await register(town, provider, key="a", reference="r 1")
    assert first.status == 201, first.body
    assert first.json["tier"] == "wallet-class-4"
    assert first.json["limits"]["yearly_left"] == 5_000_000
    account = first.json["id"]
    assert (await town.send(provider, "GET", f"/v1/accounts/{account}")).json == first.json
    shown = (await town.send(provider, "GET", f"/v1/wallets/{account}")).json
    assert (shown["class"], shown["knows"], shown["forgotten_at"]) == (4, [], None)
    stranger = await town.member("wallet")
    assert (await town.send(stranger, "GET", f"/v1/wallets/{account}")).status == 404


async def test_a_wallet_is_registered_once_a_key(town: Town, provider: Member) -> None:
    """The same bytes again: 200 and the same bytes, though the holder was forgotten since."""
    content = {"class": 2, "phone": phone(), "name": NAME, "document": DOCUMENT}
    first = await register(town, provider, key="o", **content)
    repeat = await register(town, provider, key="o", **content)
    assert (first.status, repeat.status, repeat.body) == (201, 200, first.body)
    other = await register(town, provider, key="o", **content | {"name": "Other"})
    assert (other.status, other.problem) == (422, "idempotency-key-reused")
    path = f"/v1/wallets/{first.json['id']}/forget"
    forgotten = await town.send(provider, "POST", path, key="f")
    assert (forgotten.status, forgotten.json["operation"]) == (201, "forget")
    again = await town.send(provider, "POST", path, key="f")
    assert (again.status, again.body) == (200, forgotten.body)
    repeat = await register(town, provider, key="o", **content)
    assert (repeat.status, repeat.body) == (200, first.body)
    for key, answer in (("o", first), ("f", forgotten)):
        barred = await town.send(
            provider, "POST", "/v1/payments/bar", content={"idempotency_key": key}, key=key
        )
        assert (barred.status, barred.body) == (200, answer.body)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"class": 2}, "document"),
        ({"class": 2, "phone": "+8613912345678", "document": "E1"}, "name"),
        ({"class": 3, "name": NAME}, "phone"),
        ({"class": 3, "phone": "+8613912345678"}, "class"),
        ({"class": 0}, "class"),
        ({"phone": "13912345678"}, "phone"),
        ({"phone": "+8613912345678", "age": 7}, "age"),
        ({"name": "x" * (limits.NAME_CHARS_MAX + 1)}, "name"),
    ],
    ids=["nothing", "no name", "no phone", "not offered", "no class", "no country", "age", "long"],
)
async def test_what_cannot_be_registered(
    content: dict[str, Any], named: str, town: Town, provider: Member
) -> None:
    """400, naming the field and nothing of the person; no key is spent."""
    reply = await register(town, provider, key="n", **content)
    assert (reply.status, reply.json["field"]) == (400, named), reply.body
    assert NAME not in reply.body.decode()
    assert "12345678" not in reply.json["detail"].replace("1234 5678", "")
    assert (await register(town, provider, key="n")).status == 201


@pytest.mark.parametrize("kind", ["bank", "merchant", "government"])
async def test_only_wallet_providers_register_wallets(kind: str, town: Town) -> None:
    """400 to everybody else."""
    await offer(town)
    assert (await register(town, await town.member(kind))).status == 400


async def test_a_number_names_one_wallet_and_shows_a_masked_name(
    town: Town, provider: Member
) -> None:
    """Whoever asks gets the account and one letter; another wallet cannot take the number."""
    number = phone()
    content = {"class": 2, "phone": number, "name": NAME, "document": DOCUMENT}
    made = await register(town, provider, **content)
    asker = await town.member("merchant")
    found = await resolve(town, asker, f"{number[:3]} {number[3:7]} {number[7:]}")
    assert found.json == {"account": made.json["id"], "name": "O**"}
    taken = await register(town, provider, key="t", phone=number)
    assert (taken.status, taken.json["field"]) == (400, "phone")
    assert (await register(town, provider, key="t")).status == 201, "no key was spent"
    assert (await resolve(town, asker, phone())).status == 404


async def test_a_transfer_by_alias(town: Town, provider: Member) -> None:
    """Resolve, then a plain payment."""
    number = phone()
    await register(town, provider, phone=number)
    payer = await town.account(provider, "wallet", balance=100)
    payee = (await resolve(town, provider, number)).json["account"]
    paid = await town.send(
        provider, "POST", "/v1/payments", key=uuid4().hex,
        content={"type": "transfer", "payer": payer, "payee": payee, "amount": 7,
                 "currency": "CNY"},
    )  # fmt: skip
    assert (paid.status, paid.json["status"]) == (201, "completed")


async def test_nobody_enumerates_numbers(town: Town, provider: Member) -> None:
    """After a burst 429 with Retry-After, for registering as for asking; others go on asking."""
    asker = await town.member("wallet")
    count = 3 * int(limits.RESOLVES_PER_S)
    replies = await asyncio.gather(*(resolve(town, asker, phone()) for _ in range(20 * count)))
    statuses = [reply.status for reply in replies]
    # A busy machine may not come round to all that it lets in.
    assert {404, 429} <= set(statuses) <= {404, 429, 503}
    assert statuses.count(404) < 10 * count
    refused = next(reply for reply in replies if reply.status == 429)
    assert refused.headers["Retry-After"]
    assert (await resolve(town, provider, phone())).status == 404


async def test_who_is_forgotten_is_gone_and_the_payments_stay(town: Town, provider: Member) -> None:
    """No alias, no name, class 4; the account and its statement as before; the number is free."""
    number = phone()
    content = {"class": 2, "phone": number, "name": NAME, "document": DOCUMENT}
    account = (await register(town, provider, **content)).json["id"]
    await town.operator.issue(account, 50, reason="test")
    before = (await town.send(provider, "GET", f"/v1/accounts/{account}/entries")).json
    stranger = await town.member("wallet")
    path = f"/v1/wallets/{account}/forget"
    assert (await town.send(stranger, "POST", path, key="s")).status == 404
    assert (await town.send(provider, "POST", path, key=uuid4().hex)).status == 201
    shown = (await town.send(provider, "GET", f"/v1/wallets/{account}")).json
    assert (shown["class"], shown["knows"]) == (4, [])
    assert shown["forgotten_at"] is not None
    assert (await resolve(town, provider, number)).status == 404
    assert (await town.send(provider, "GET", f"/v1/accounts/{account}/entries")).json == before
    assert (await town.send(provider, "GET", f"/v1/accounts/{account}")).json["balance"] == 50
    assert (await register(town, provider, phone=number)).status == 201
    assert not await town.operator.check_books()


async def test_no_table_and_no_line_of_the_log_shows_a_person(
    town: Town, provider: Member, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every row of every table, and all that was said, searched for a phone, a name, a document."""
    number = phone()
    content = {"class": 2, "phone": number, "name": NAME, "document": DOCUMENT}
    assert (await register(town, provider, **content)).status == 201
    await register(town, provider, **content)  # taken
    await register(town, provider, **content | {"phone": f"{number}x"})
    await resolve(town, provider, number)
    admin = await town.database.connect()
    try:
        tables = [row[0] for row in await admin.fetch(TABLES)]
        assert "wallets.wallet" in tables
        texts = [
            row[0] for name in tables for row in await admin.fetch(f"SELECT t::text FROM {name} t")
        ]
    finally:
        await admin.close()
    said = capfd.readouterr()
    everything = "\n".join([*texts, said.out, said.err])
    for secret in (number, number[1:], number[3:], NAME, DOCUMENT):
        assert secret not in everything
        assert secret.encode().hex() not in everything


async def test_nobody_can_try_numbers_against_what_is_kept_of_a_message(
    town: Town, provider: Member
) -> None:
    """A message is little more than a number; its plain digest would tell it to whoever guesses."""
    body = json.dumps({"currency": "CNY", "class": 4, "phone": phone()}).encode()
    reply = await town.send(provider, "POST", "/v1/wallets", body=body, key="guess")
    assert reply.status == 201
    guesses = [hashlib.sha256(guess).digest() for guess in (body, b"POST /v1/wallets\n" + body)]
    admin = await town.database.connect()
    try:
        kept = await admin.fetchval("SELECT digest FROM ledger.key_claim WHERE key = 'guess'")
    finally:
        await admin.close()
    assert kept
    assert kept not in guesses


async def test_workers_touch_no_table(town: Town) -> None:
    """The role of the workers calls the functions and reads nothing itself."""
    worker = await town.database.connect(WORKER)
    try:
        for table in ("wallet", "alias", "index_key"):
            name = f"wallets.{table}"
            may = await worker.fetchval(
                "SELECT has_table_privilege($1, 'SELECT, INSERT, UPDATE, DELETE')", name
            )
            assert not may, name
    finally:
        await worker.close()
