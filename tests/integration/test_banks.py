"""Banks that hold the money are asked: once, in time, and no bank in the way of another."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from switch import keyfile, limits
from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.digest import check_digest
from switch.signature import Candidate, find_candidate, verify
from switch.upkeep import sequence_events
from tests.integration.branch import (
    IN_TIME_S,
    Branch,
    books,
    calling,
    decided,
    open_branch,
    sent,
    shown,
)
from tests.integration.test_delivery import pushing
from tests.integration.town import Member, Town, until
from tests.integration.town import payment as said_of
from tests.receivers import Inbox
from tests.receivers import running as receiving

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses, so that a test sees several of them."""
    monkeypatch.setattr(limits, "BANK_RETRY_S_MIN", 0.05)
    monkeypatch.setattr(limits, "BANK_REPEAT_S_MIN", 0.05)
    monkeypatch.setattr(limits, "BANK_REPEAT_S_MAX", 0.2)
    monkeypatch.setattr(limits, "BANK_PAUSE_S_MIN", 0.05)
    monkeypatch.setattr(limits, "BANK_PAUSE_S_MAX", 0.2)
    monkeypatch.setattr(limits, "BANK_BACKLOG_INTERVAL_S", 0.05)


@pytest_asyncio.fixture(loop_scope="session")
async def branch(town: Town) -> AsyncIterator[Branch]:
    """A bank that decides whatever it is asked; the books are right in the end."""
    async with open_branch(town) as made:
        yield made
    assert await books(town) == []


async def test_a_bank_that_approves_is_asked_once_and_pays(
    town: Town, branch: Branch, payee: str
) -> None:
    """With all it needs to know, signed by a published key, under a key that names the payment."""
    async with calling(town) as calls:
        key = await branch.pay(payee, 300, type="purchase", reference="order-1", description="tea")
        payment = await decided(town, branch.holder, key)
        await until(lambda: calls.calls(branch, "authorizations", "approved") == 1, "counted")
    assert (payment["status"], payment["reason"]) == ("completed", None)
    assert await branch.balances() == (-300, 0)
    [asked] = branch.server.asked
    assert asked.path == "authorizations"
    assert asked.key == f"authorizations-{payment['id']}"
    said = asked.json
    assert said.pop("deadline") > payment["created_at"]
    assert said == {
        "payment": payment["id"],
        "type": "purchase",
        "account": branch.customer,
        "account_reference": "0000-4711",
        "payee": payee,
        "amount": 300,
        "currency": "CNY",
        "capture": True,
        "hold_expires_at": None,
        "reference": "order-1",
        "payee_reference": None,
        "description": "tea",
        "created_at": payment["created_at"],
    }
    keys = keyfile.parse_jwks((await town.raw("GET", "/.well-known/jwks.json")).body)
    candidate = find_candidate(
        method="POST",
        authority=f"127.0.0.1:{branch.server.port}",
        path="/switch/authorizations",
        query=None,
        headers=asked.headers,
        has_body=True,
        is_known_key=keys.__contains__,
    )
    assert isinstance(candidate, Candidate), candidate
    assert verify(candidate, keys[candidate.key_id].public_key)
    assert isinstance(check_digest(asked.headers["Content-Digest"], asked.body), bytes)


async def test_a_bank_that_declines_is_not_asked_again(
    town: Town, branch: Branch, payee: str
) -> None:
    """The payment is declined, nothing stays reserved, and nothing is to be reversed."""
    branch.server.behave = lambda _: "decline"
    async with calling(town):
        key = await branch.pay(payee, 300)
        payment = await decided(town, branch.holder, key)
        branch.server.behave = lambda _: "decide"
        await decided(town, branch.holder, await branch.pay(payee, 1))
    assert payment["reason"] == "issuer_declined"
    assert [one.path for one in branch.server.asked] == ["authorizations"] * 2
    assert await branch.balances() == (-1, 0)


async def test_a_bank_that_answers_too_late_has_its_approval_reversed(
    town: Town, branch: Branch, payee: str
) -> None:
    """At the deadline the payment is declined, although the bank has approved it meanwhile."""
    branch.server.behave = lambda one: "decide_hang" if one.path == "authorizations" else "decide"
    async with calling(town, bank_deadline_s=1.0) as calls:
        key = await branch.pay(payee, 300)
        payment = await decided(town, branch.holder, key)
        assert payment["reason"] == "issuer_timeout"
        await until(lambda: len(branch.server.of("reversals")) == 1, "it is reversed",
                    within_s=IN_TIME_S)  # fmt: skip
        assert calls.sample("switch_bank_time_outs_total") == 1
    [reversal] = branch.server.of("reversals")
    assert reversal.json["payment"] == payment["id"]
    assert reversal.json["reason"] == "issuer_timeout"
    assert branch.server.decision("authorizations", payment["id"]) == "approved"
    assert branch.server.balances[branch.customer] == 0
    assert await branch.balances() == (0, 0)


@pytest.mark.parametrize(
    ("how", "label"),
    [
        ("unsigned", "unverified"),
        ("forged", "unverified"),
        ("other_amount", "contradictory"),
        ("other_payment", "contradictory"),
        ("other_decision", "contradictory"),
        ("404", "status_4xx"),
    ],
)
async def test_an_answer_that_is_not_to_be_trusted_makes_an_authorization_unknown(
    town: Town, branch: Branch, payee: str, how: str, label: str
) -> None:
    """Declined at once, long before its deadline, and reversed at the bank."""
    branch.server.behave = lambda one: how if one.path == "authorizations" else "decide"
    async with calling(town) as calls:
        payment = await decided(town, branch.holder, await branch.pay(payee, 300))
        await until(lambda: calls.calls(branch, "reversals", "acknowledged") == 1, "it is reversed")
        assert calls.calls(branch, "authorizations", label) == 1
    assert payment["reason"] == "issuer_timeout"
    assert len(branch.server.of("authorizations")) == 1
    assert await branch.balances() == (0, 0)


@pytest.mark.parametrize("how", ["503", "429", "drop", "decide_drop"])
async def test_a_bank_that_may_not_have_understood_is_asked_again(
    town: Town, branch: Branch, payee: str, how: str
) -> None:
    """Under the same key, with the same bytes, until it decides; once is enough."""
    branch.server.behave = lambda one: how if one.attempt < 4 else "decide"
    async with calling(town):
        payment = await decided(town, branch.holder, await branch.pay(payee, 300))
    assert payment["status"] == "completed"
    asked = branch.server.asked
    assert len(asked) == 4
    assert len({(one.key, one.body) for one in asked}) == 1
    assert await branch.balances() == (-300, 0)
    assert branch.server.balances[branch.customer] == -300


async def test_a_bank_that_cannot_be_reached_is_unavailable_at_once(
    town: Town, branch: Branch, payee: str
) -> None:
    """Nobody waits for a deadline where nothing was sent."""
    await town.operator.set_participant(branch.holder.id, bank_url="http://127.0.0.1:1/switch")
    async with calling(town) as calls:
        payment = await decided(town, branch.holder, await branch.pay(payee, 300))
        assert payment["reason"] == "issuer_unavailable"
        assert calls.calls(branch, "authorizations", "unreachable") == 1
        await town.operator.set_participant(branch.holder.id, bank_url=branch.server.url)
        await until(lambda: calls.calls(branch, "reversals", "acknowledged") == 1, "it is reversed")
    assert await branch.balances() == (0, 0)


async def test_a_credit_is_sent_until_the_bank_takes_it(
    town: Town, branch: Branch, wallet: Member, payer: str
) -> None:
    """Whatever it answers meanwhile, a forged acceptance included; the money waits at the payer."""
    hows = ("503", "drop", "404", "unsigned", "forged", "other_amount", "decide_drop")
    branch.server.behave = lambda one: (
        hows[one.attempt - 1] if one.attempt <= len(hows) else "decide"
    )
    async with calling(town):
        key = await sent(town, wallet, payer, branch.customer, 250, type="withdrawal")
        payment = await decided(town, wallet, key)
    assert payment["status"] == "completed"
    asked = branch.server.of("credits")
    assert len(asked) == len(hows) + 1
    assert len({(one.key, one.body) for one in asked}) == 1
    assert asked[0].json["payer"] == payer
    assert asked[0].json["account"] == branch.customer
    assert await town.balance(wallet, payer) == (9_750, 0)
    assert branch.server.balances[branch.customer] == 250
    assert await branch.balances() == (250, 0)


async def test_a_credit_that_is_refused_goes_back(
    town: Town, branch: Branch, wallet: Member, payer: str
) -> None:
    """A refusal is a decision as well: the payer has its money again."""
    branch.server.behave = lambda _: "refuse"
    async with calling(town):
        key = await sent(town, wallet, payer, branch.customer, 250, type="withdrawal")
        payment = await decided(town, wallet, key)
    assert payment["reason"] == "issuer_declined"
    assert await town.balance(wallet, payer) == (10_000, 0)


async def paid(town: Town, branch: Branch, payee: str, amount: int) -> Any:
    """A purchase of the bank's customer, as it was decided."""
    return await decided(town, branch.holder, await branch.pay(payee, amount))


async def test_a_bank_that_fails_is_shut_and_let_in_again(
    town: Town, branch: Branch, payee: str
) -> None:
    """While it fails its authorizations are declined without a call; one call finds it is back."""
    branch.server.behave = lambda _: "404"
    async with calling(town) as calls:
        for _ in range(limits.BANK_FAILURES_MAX):
            await decided(town, branch.holder, await branch.pay(payee, 1))
        is_down = {"bank": branch.holder.id}
        await until(lambda: calls.sample("switch_bank_is_down", **is_down) == 1, "it is down")
        asked = len(branch.server.of("authorizations"))
        payments = [
            await decided(town, branch.holder, await branch.pay(payee, 1)) for _ in range(20)
        ]
        shut = [one for one in payments if one["reason"] == "issuer_unavailable"]
        assert shut, "some were declined without a call"
        assert len(branch.server.of("authorizations")) == asked + len(payments) - len(shut)
        branch.server.behave = lambda _: "decide"
        await until(lambda: calls.sample("switch_bank_is_down", **is_down) == 0, "it is back")
        async with asyncio.timeout(IN_TIME_S):  # for a moment it is remembered as shut
            while (await paid(town, branch, payee, 300))["status"] != "completed":
                pass
    assert await branch.balances() == (-300, 0)


async def test_a_bank_that_is_down_gets_one_call_at_a_time(
    town: Town, branch: Branch, wallet: Member, payer: str
) -> None:
    """However much waits for it; when it is back it gets everything."""
    branch.server.behave = lambda _: "503"
    async with calling(town) as calls:
        keys = [
            await sent(town, wallet, payer, branch.customer, 1, type="withdrawal")
            for _ in range(12)
        ]
        is_down = {"bank": branch.holder.id}
        await until(lambda: calls.sample("switch_bank_is_down", **is_down) == 1, "it is down")
        await until(lambda: branch.server.at_once == 0, "what was under way has ended")
        branch.server.at_once_most, asked = 0, len(branch.server.asked)
        await until(lambda: len(branch.server.asked) > asked + 3, "it is tried", within_s=IN_TIME_S)
        assert branch.server.at_once_most == 1
        waiting = {"bank": branch.holder.id, "path": "credits"}
        assert calls.sample("switch_bank_waiting_calls", **waiting) == 12
        assert calls.sample("switch_bank_waiting_seconds", **is_down) > 0
        branch.server.behave = lambda _: "decide"
        for key in keys:
            assert (await decided(town, wallet, key))["status"] == "completed"
        await until(lambda: calls.sample("switch_bank_waiting_calls", **waiting) == 0, "none waits")
    assert branch.server.balances[branch.customer] == 12


async def test_a_credit_that_is_never_taken_does_not_shut_its_bank(
    town: Town, branch: Branch, wallet: Member, payer: str, payee: str
) -> None:
    """It counts as one failure, however often it is tried: the bank may decide all else."""
    branch.server.behave = lambda one: "404" if one.path == "credits" else "decide"
    async with calling(town) as calls:
        key = await sent(town, wallet, payer, branch.customer, 1, type="withdrawal")
        tries = 2 * limits.BANK_FAILURES_MAX
        await until(lambda: len(branch.server.of("credits")) > tries, "it is tried",
                    within_s=IN_TIME_S)  # fmt: skip
        one = await decided(town, branch.holder, await branch.pay(payee, 1))
        assert one["status"] == "completed"
        assert calls.sample("switch_bank_is_down", bank=branch.holder.id) == 0
        branch.server.behave = lambda _: "decide"
        assert (await decided(town, wallet, key))["status"] == "completed"


async def test_a_bank_that_hangs_delays_no_other(
    town: Town, branch: Branch, payee: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its number of calls under way and no more, while another bank's are decided."""
    monkeypatch.setattr(limits, "BANK_CALLS_MAX", 8)
    async with open_branch(town, lambda _: "hang") as silent, calling(town) as calls:
        keys = [await silent.pay(payee, 1) for _ in range(12)]
        await until(lambda: silent.server.at_once == 8, "its calls are under way")
        for _ in range(20):
            payment = await decided(town, branch.holder, await branch.pay(payee, 1))
            assert payment["status"] == "completed"
        full = [await decided(town, silent.holder, key) for key in keys[8:]]
        assert {one["reason"] for one in full} == {"issuer_unavailable"}
        assert silent.server.at_once == silent.server.at_once_most == 8
        assert calls.calls(silent, "authorizations", "timeout") == 0, "it was still waited for"
        pending = [await shown(town, silent.holder, key) for key in keys[:8]]
        assert {one and one["status"] for one in pending} == {"pending"}
        silent.server.behave = lambda _: "decide"


async def test_a_bank_has_no_more_calls_under_way_than_places(
    town: Town, branch: Branch, wallet: Member, payer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many credits wait for it."""
    monkeypatch.setattr(limits, "BANK_CALLS_MAX", 8)
    branch.server.may_answer.clear()
    async with calling(town):
        keys = [
            await sent(town, wallet, payer, branch.customer, 1, type="withdrawal")
            for _ in range(12)
        ]
        await until(lambda: branch.server.at_once == 8, "its calls are under way")
        await asyncio.sleep(10 * limits.BANK_IDLE_INTERVAL_S)  # looks that could begin more
        assert branch.server.at_once_most == 8
        branch.server.may_answer.set()
        for key in keys:
            assert (await decided(town, wallet, key))["status"] == "completed"
    assert branch.server.at_once_most <= 8


async def test_the_same_call_is_made_again_by_who_comes_next(
    town: Town, branch: Branch, payee: str
) -> None:
    """A call that was under way when its process ended is taken up under its key."""
    branch.server.behave = lambda one: "decide_hang" if one.attempt == 1 else "decide"
    async with calling(town):
        key = await branch.pay(payee, 300)
        await until(lambda: len(branch.server.asked) == 1, "it is asked")
    async with calling(town):
        payment = await decided(town, branch.holder, key)
    assert payment["status"] == "completed"
    first, second = branch.server.asked
    assert (first.key, first.body) == (second.key, second.body)
    assert branch.server.balances[branch.customer] == -300
    assert await branch.balances() == (-300, 0)


async def test_payments_are_listed_by_the_time_they_were_accepted(
    town: Town, branch: Branch, payee: str
) -> None:
    """Pending or decided later: a decision moves a payment into no other period."""
    branch.server.may_decide["authorizations"].clear()
    async with calling(town):
        key = await branch.pay(payee, 300)
        between = rfc3339(SYSTEM_CLOCK.now())

        async def listed(bound: str) -> list[tuple[str, str]]:
            reply = await town.send(branch.holder, "GET", f"/v1/payments?{bound}={between}")
            return [(one["idempotency_key"], one["status"]) for one in reply.json["data"]]

        assert (await listed("to"), await listed("from")) == ([(key, "pending")], [])
        branch.server.may_decide["authorizations"].set()
        await decided(town, branch.holder, key)
        assert (await listed("to"), await listed("from")) == ([(key, "completed")], [])


async def test_a_trace_is_carried_on_to_bank_and_receiver(
    town: Town, branch: Branch, merchant: Member, payee: str
) -> None:
    """Whoever is called because of a payment gets its trace, with the span of the switch."""
    inbox = Inbox()
    async with receiving(inbox.receive) as server, calling(town), pushing(town):
        await town.operator.set_participant(merchant.id, callback_url=server.url)
        reply = await town.send(
            branch.holder,
            "POST",
            "/v1/payments",
            content=said_of(branch.customer, payee, 5),
            key="traced",
            changed={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"},
        )
        await decided(town, branch.holder, "traced")
        await decided(town, branch.holder, await branch.pay(payee, 5))
        await sequence(town)
        await until(lambda: len(inbox.taken) == 2, "the events are pushed")
        await town.operator.set_participant(merchant.id, callback_url="")
    span = reply.headers["traceparent"]
    assert span.startswith(f"00-{TRACE}-")
    assert span.endswith("-01")
    assert "b7ad6b7169203331" not in span
    traced, untraced = branch.server.asked
    assert traced.headers["traceparent"] == span
    assert "traceparent" not in untraced.headers
    assert [request.headers.get("traceparent") for request, _ in inbox.requests] == [span, None]


async def sequence(town: Town) -> None:
    """What the jobs process does all the time."""
    while await sequence_events(town.operator.connection, limits.EVENT_RUN_MAX):
        pass


async def test_a_revoked_key_of_a_bank_decides_nothing(
    town: Town, branch: Branch, payee: str
) -> None:
    """Within a second of being revoked, answers that it signs are not to be trusted."""
    async with calling(town):
        trusted = await decided(town, branch.holder, await branch.pay(payee, 1))
        await town.operator.revoke_key(branch.server.key.key_id)
        await asyncio.sleep(1.0)
        revoked = await decided(town, branch.holder, await branch.pay(payee, 1))
    assert (trusted["reason"], revoked["reason"]) == (None, "issuer_timeout")
