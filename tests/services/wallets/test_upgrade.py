"""A wallet goes up a class when its holder has told more; a list of one's own; a lost key."""

import secrets
import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from tests.integration.town import Member, Reply, Town, open_town
from tests.services.wallets.test_http import DOCUMENT, NAME, TIERS, offer, phone, register, resolve

HINTS = {
    "index.key": "put the folder `wallets` of the first key folder into this one",
    "seal-1.key": "personal data does not open",
}


@pytest_asyncio.fixture(loop_scope="session")
async def provider(town: Town, wallet: Member) -> Member:
    """A wallet provider in a town that offers classes 4 and 2."""
    await offer(town)
    return wallet


async def upgrade(
    town: Town, holder: Member, account: str, *, key: str | None = None, **content: Any
) -> Reply:
    """Ask for class 2, unless told otherwise."""
    path = f"/v1/wallets/{account}/upgrade"
    return await town.send(
        holder, "POST", path, content={"class": 2} | content, key=key or uuid4().hex
    )


async def test_new_limits_count_from_the_next_decision_on(town: Town, provider: Member) -> None:
    """Too much for class 4, then told and upgraded, then not; and its number finds it."""
    number = phone()
    account = (await register(town, provider)).json["id"]
    await town.operator.issue(account, 900_000, reason="test")
    payee = await town.account(provider, "wallet")
    too_much = TIERS[4][0] + 1

    async def pay() -> Any:
        content = {"type": "transfer", "payer": account, "payee": payee, "amount": too_much}
        reply = await town.send(
            provider, "POST", "/v1/payments", content=content | {"currency": "CNY"},
            key=uuid4().hex,
        )  # fmt: skip
        return reply.json

    assert (await pay())["reason"] == "payment_limit_exceeded"
    told = {"phone": number, "name": NAME, "document": DOCUMENT}
    first = await upgrade(town, provider, account, key="up", **told)
    assert (first.status, first.json["operation"], first.json["status"]) == (201, "upgrade", "open")
    assert (await pay())["status"] == "completed"
    shown = (await town.send(provider, "GET", f"/v1/wallets/{account}")).json
    assert (shown["class"], shown["knows"]) == (2, ["document", "name", "phone"])
    assert (await resolve(town, provider, number)).json == {"account": account, "name": "O**"}
    again = await upgrade(town, provider, account, key="up", **told)
    assert (again.status, again.body) == (200, first.body)
    other = await upgrade(town, provider, account, key="up", **told | {"name": "Li"})
    assert (other.status, other.problem) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("known", "told", "field"),
    [
        ({}, {"phone": True, "name": NAME}, "document"),
        ({"phone": True}, {"phone": True, "name": NAME, "document": DOCUMENT}, "phone"),
        ({}, {"class": 3, "phone": True}, "class"),
        ({}, {"class": 4}, "class"),
        ({}, {"class": 5}, "class"),
        ({}, {"phone": "+86 1", "name": NAME, "document": DOCUMENT}, "phone"),
        ({}, {"tier": "none"}, "tier"),
    ],
    ids=["unknown", "told before", "not offered", "no way up", "none", "no number", "member"],
)
async def test_what_does_not_fit_is_refused_by_name_and_spends_no_key(
    known: dict[str, Any], told: dict[str, Any], field: str, town: Town, provider: Member
) -> None:
    """Nothing is kept of what was told, and the number stays free."""
    numbers = {"known": phone(), "told": phone()}
    known = {name: numbers["known"] if it is True else it for name, it in known.items()}
    told = {name: numbers["told"] if it is True else it for name, it in told.items()}
    account = (await register(town, provider, **known)).json["id"]
    before = (await town.send(provider, "GET", f"/v1/wallets/{account}")).json
    refused = await upgrade(town, provider, account, key=f"k-{account}", **told)
    assert (refused.status, refused.problem) == (400, "malformed-message")
    assert refused.json["field"] == field
    assert (await town.send(provider, "GET", f"/v1/wallets/{account}")).json == before
    assert (await resolve(town, provider, numbers["told"])).status == 404
    free = {"name": NAME, "document": DOCUMENT} | ({} if known else {"phone": phone()})
    assert (await upgrade(town, provider, account, key=f"k-{account}", **free)).status == 201


async def test_a_taken_number_a_stranger_and_the_forgotten(town: Town, provider: Member) -> None:
    """None of them goes up."""
    number = phone()
    await register(town, provider, phone=number)
    account = (await register(town, provider)).json["id"]
    told = {"phone": number, "name": NAME, "document": DOCUMENT}
    taken = await upgrade(town, provider, account, **told)
    assert (taken.status, taken.json["field"]) == (400, "phone")
    stranger = await town.member("wallet")
    assert (await upgrade(town, stranger, account, **told)).problem == "not-found"
    await town.send(provider, "POST", f"/v1/wallets/{account}/forget", key=uuid4().hex)
    gone = await upgrade(town, provider, account, **told | {"phone": phone()})
    assert (gone.status, gone.json["field"]) == (400, "class")


async def test_a_provider_lists_its_own_wallets(town: Town) -> None:
    """In pieces, in the order registered; nobody else's."""
    await offer(town)
    provider, stranger = await town.member("wallet"), await town.member("wallet")
    made = [(await register(town, provider)).json["id"] for _ in range(3)]
    await register(town, stranger)
    first = (await town.send(provider, "GET", "/v1/wallets?limit=2")).json
    rest = (await town.send(provider, "GET", f"/v1/wallets?after={first['next_after']}")).json
    assert [one["account"] for one in first["data"] + rest["data"]] == sorted(made)
    assert {one["status"] for one in first["data"]} == {"open"}
    assert (first["has_more"], rest["has_more"]) == (True, False)


@pytest.mark.parametrize("lost", ["index.key", "seal-1.key"])
async def test_another_key_is_an_outage_that_the_operator_is_told(
    lost: str, town: Town, provider: Member, tmp_path: Path
) -> None:
    """`503` and a line of the log, never a wrong answer; with the key back all is as before."""
    number = phone()
    told = {"class": 2, "phone": number, "name": NAME, "document": DOCUMENT}
    assert (await register(town, provider, **told)).status == 201
    found = await resolve(town, provider, number)
    keys = tmp_path / "keys"
    shutil.copytree(town.key_dir, keys)
    (keys / "wallets" / lost).write_text(f"{secrets.token_hex(32)}\n", encoding="ascii")
    async with open_town(town.database, keys) as other:
        await other.until_known(provider)
        with capture_logs() as lines:
            refused = await resolve(other, provider, number)
        assert (refused.status, refused.problem) == (503, "ledger-unavailable")
        said = str(lines)
        assert HINTS[lost] in said
        assert number not in said
        if lost == "index.key":
            assert (await register(other, provider, phone=phone())).status == 503
    assert (await resolve(town, provider, number)).body == found.body
