"""Accounts over HTTP: who opens which, and freezing, unfreezing and closing, once a key."""

import asyncio
from uuid import UUID, uuid4

import pytest

from tests.integration.town import Member, Reply, Town


async def open_account(town: Town, holder: Member, *, key: str | None = None, **more: str) -> Reply:
    """Ask for an account in the usual currency."""
    content = {"currency": "CNY"} | more
    return await town.send(holder, "POST", "/v1/accounts", content=content, key=key or uuid4().hex)


async def change(town: Town, holder: Member, account: str, action: str, key: str) -> Reply:
    """Freeze, unfreeze or close."""
    return await town.send(holder, "POST", f"/v1/accounts/{account}/{action}", key=key)


async def test_an_account_is_opened_once_a_key(town: Town, wallet: Member) -> None:
    """201 with the account, then 200 with the same bytes; the account can be used at once."""
    first = await open_account(town, wallet, key="o", kind="wallet", reference="r 1")
    assert first.status == 201
    assert first.is_signed
    shown = (await town.send(wallet, "GET", f"/v1/accounts/{first.json['id']}")).json
    assert shown == first.json
    assert (shown["balance"], shown["status"], shown["reference"]) == (0, "open", "r 1")
    repeat = await open_account(town, wallet, key="o", kind="wallet", reference="r 1")
    assert (repeat.status, repeat.body) == (200, first.body)
    assert repeat.headers["Idempotent-Replayed"] == "true"
    other = await open_account(town, wallet, key="o", kind="wallet", reference="r 2")
    assert (other.status, other.problem) == (422, "idempotency-key-reused")


async def test_opening_twice_at_once_opens_one(town: Town, wallet: Member) -> None:
    """Ten times the same message at once: one account."""
    replies = await asyncio.gather(
        *(open_account(town, wallet, key="many", kind="wallet") for _ in range(10))
    )
    assert sorted(reply.status for reply in replies) == [200] * 9 + [201]
    assert len({reply.body for reply in replies}) == 1


@pytest.mark.parametrize("kind", ["wallet", "merchant", "bank", "government"])
async def test_each_kind_of_participant_opens_its_kind_of_account(town: Town, kind: str) -> None:
    """A wallet provider opens wallets, a merchant merchant accounts, a bank external ones."""
    holder = await town.member(kind)
    allowed = {"wallet": "wallet", "merchant": "merchant", "bank": "external"}.get(kind)
    kinds = ("wallet", "merchant", "government", "position", "external", "issuance", "fee")
    for wanted in kinds:
        reply = await open_account(town, holder, kind=wanted)
        if wanted == allowed:
            assert (reply.status, reply.json["kind"]) == (201, wanted)
        else:
            assert (reply.status, reply.json["field"]) == (400, "kind")


async def test_a_tier_must_be_offered(town: Town, wallet: Member) -> None:
    """A participant chooses among what the operator lets it choose; no key is spent otherwise."""
    name = f"tier-{uuid4().hex[:8]}"
    for asked in ("no-such-tier", "NO", "x" * 33, ""):
        reply = await open_account(town, wallet, key="t", kind="wallet", tier=asked)
        assert (reply.status, reply.json["field"]) == (400, "tier")
    await town.operator.set_tier(
        name,
        currency="CNY",
        payment_limit=1,
        daily_limit=2,
        yearly_limit=4,
        balance_limit=3,
        choosable=True,
    )
    reply = await open_account(town, wallet, key="t", kind="wallet", tier=name)
    assert (reply.status, reply.json["tier"]) == (201, name)
    assert reply.json["limits"] == {
        "payment_limit": 1, "daily_limit": 2, "daily_left": 2, "yearly_limit": 4, "yearly_left": 4,
        "balance_limit": 3,
    }  # fmt: skip


async def test_freeze_unfreeze_and_what_a_frozen_account_does(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Nothing leaves a frozen account, credits arrive; each change is answered once a key."""
    frozen = await change(town, wallet, payer, "freeze", "f")
    assert frozen.status == 201
    assert frozen.json["operation"] == "freeze"
    assert (frozen.json["status"], frozen.json["frozen_by"]) == ("frozen", "participant")
    assert frozen.json["idempotency_key"] == "f"
    assert (await town.pay(wallet, payer, payee, 1)).json["reason"] == "payer_frozen"
    other = await town.account(wallet, "wallet", balance=10)
    assert (await town.pay(wallet, other, payer, 1)).json["status"] == "completed"
    lifted = await change(town, wallet, payer, "unfreeze", "u")
    assert (lifted.json["status"], lifted.json["frozen_by"]) == ("open", None)
    assert (await town.pay(wallet, payer, payee, 1)).json["status"] == "completed"
    repeat = await change(town, wallet, payer, "freeze", "f")
    assert (repeat.status, repeat.body) == (200, frozen.body), "a repeat freezes nothing again"
    assert (await town.pay(wallet, payer, payee, 1)).json["status"] == "completed"


async def test_the_operators_freeze_is_the_operators_to_lift(
    town: Town, wallet: Member, payer: str
) -> None:
    """A participant's unfreeze changes nothing then, and its answer says why."""
    await town.operator.change_account(UUID(payer), "freeze")
    reply = await change(town, wallet, payer, "unfreeze", "u")
    assert reply.status == 201
    assert (reply.json["status"], reply.json["frozen_by"]) == ("frozen", "operator")
    assert reply.json["reason"] == "frozen_by_operator"


async def test_a_closed_account_takes_part_in_nothing(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Closing refuses payments in and out at once."""
    empty = await town.account(wallet, "wallet")
    reply = await change(town, wallet, empty, "close", "c")
    assert reply.json["status"] in {"closing", "closed"}
    assert (await town.pay(wallet, empty, payee, 1)).json["reason"] == "payer_closed"
    assert (await town.pay(wallet, payer, empty, 1)).json["reason"] == "payee_closed"


async def test_an_account_of_another_is_not_there(
    town: Town, wallet: Member, merchant: Member, payer: str
) -> None:
    """404, and the key is not spent."""
    for account in (payer, str(uuid4()), "no-id"):
        reply = await change(town, merchant, account, "freeze", "x")
        assert (reply.status, reply.problem) == (404, "not-found")
    own = await town.account(merchant, "merchant")
    assert (await change(town, merchant, own, "freeze", "x")).status == 201


async def test_one_key_means_one_operation(town: Town, wallet: Member, payer: str) -> None:
    """The same key on another path or another account is refused."""
    other = await town.account(wallet, "wallet")
    assert (await change(town, wallet, payer, "freeze", "one")).status == 201
    for account, action in ((payer, "unfreeze"), (other, "freeze"), (payer, "close")):
        reply = await change(town, wallet, account, action, "one")
        assert reply.problem == "idempotency-key-reused"
    assert (await open_account(town, wallet, key="one", kind="wallet")).problem == (
        "idempotency-key-reused"
    )


async def test_the_body_of_a_change_is_empty(town: Town, wallet: Member, payer: str) -> None:
    """No body or an empty object; anything else is refused."""
    target = f"/v1/accounts/{payer}/freeze"
    for body, status in ((b"{}", 201), (b'{"why":"lost"}', 400), (b"x", 400)):
        reply = await town.send(wallet, "POST", target, body=body, key=uuid4().hex)
        assert reply.status == status
