"""The client: one decision whatever the network does, and a clear word when there is none."""

import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from switch import keyfile
from switch.client import Client, ClientError, OutcomeUnknown, Payment, ProblemError, Unreachable
from switch.clock import Clock
from switch.errors import SwitchError
from tests.unit.small_switch import (
    ACCOUNTS,
    PARTICIPANT_KEY_ID,
    PARTICIPANT_SEED,
    SmallSwitch,
)


@pytest.fixture
async def small_switch() -> AsyncIterator[SmallSwitch]:
    """A switch that misbehaves on demand."""
    async with SmallSwitch() as server:
        yield server


def client_of(server: SmallSwitch, **changes: object) -> Client:
    """A client of that switch."""
    fields = {"key_id": PARTICIPANT_KEY_ID, "key": PARTICIPANT_SEED, **changes}
    return Client(server.url, **fields)  # type: ignore[arg-type]


BODY = b'{"type":"transfer","payer":"a","payee":"b","amount":1,"currency":"CNY"}'


class MovedClock(Clock):
    """A monotonic clock that a test moves."""

    moved_s = 0.0

    def monotonic_s(self) -> float:
        """Seconds, as far ahead as was asked for."""
        return super().monotonic_s() + self.moved_s


async def pay(client: Client, key: str = "order-1", deadline_s: float | None = None) -> Payment:
    """One payment."""
    return await client.pay(
        type="transfer",
        payer="a",
        payee="b",
        amount=1500,
        currency="CNY",
        metadata={"z": "1", "a": "2"},
        expires_at=datetime(2026, 11, 1, tzinfo=UTC),
        idempotency_key=key,
        deadline_s=deadline_s,
    )


async def test_payment_comes_back_typed(small_switch: SmallSwitch) -> None:
    """What was sent is in the result, and what was not given was not sent."""
    async with client_of(small_switch) as client:
        payment = await pay(client)
    assert (payment.status, payment.amount, payment.idempotency_key) == (
        "completed",
        1500,
        "order-1",
    )
    assert list(payment.metadata or {}) == ["z", "a"]
    assert payment.expires_at == "2026-11-01T00:00:00.000000Z"
    assert payment.reference is None


@pytest.mark.parametrize(
    "failure",
    [
        "drop",
        "decide-drop",
        "unsigned",
        "forged",
        "in-progress",
        "too-many-requests",
        "overloaded",
        "ledger-unavailable",
        "outcome-unknown",
        "internal-error",
    ],
)
async def test_payment_is_repeated_with_its_key_until_it_is_known(
    small_switch: SmallSwitch, failure: str
) -> None:
    """Three failures in a row, then one decision: the same key all the time."""
    small_switch.script.extend([failure] * 3)
    async with client_of(small_switch) as client:
        payment = await pay(client)
    assert payment.status == "completed"
    assert [key for _, _, key in small_switch.attempts] == ["order-1"] * 4
    assert len(small_switch.decided) == 1


@pytest.mark.parametrize("failure", ["drop", "decide-drop", "unsigned", "forged", "silent"])
async def test_payment_without_a_trusted_answer_is_unknown(
    small_switch: SmallSwitch, failure: str
) -> None:
    """At the deadline the key is named, and the same call settles it later."""
    small_switch.script.extend([failure] * 200)
    async with client_of(small_switch) as client:
        with pytest.raises(OutcomeUnknown, match="order-1") as raised:
            await pay(client, deadline_s=0.4)
        assert raised.value.key == "order-1"
        small_switch.script.clear()
        assert (await pay(client)).status == "completed"
    assert len(small_switch.decided) == 1


async def test_refusal_that_says_not_decided_is_no_unknown_outcome(
    small_switch: SmallSwitch,
) -> None:
    """Signed 429 and 503 promise that nothing was decided, unless an attempt before got lost."""
    async with client_of(small_switch) as client:
        small_switch.script.extend(["overloaded"] * 200)
        with pytest.raises(ProblemError, match="overloaded"):
            await pay(client, deadline_s=0.4)
        small_switch.script.clear()
        small_switch.script.extend(["decide-drop", *["overloaded"] * 200])
        with pytest.raises(OutcomeUnknown):
            await pay(client, deadline_s=0.4)


async def test_refusal_that_repeating_cannot_change_is_told_at_once(
    small_switch: SmallSwitch,
) -> None:
    """A signed 400, 403 or 422 is final; after a lost attempt only those about the bytes are."""
    async with client_of(small_switch) as client:
        for name in ("malformed-message", "participant-suspended", "idempotency-key-reused"):
            small_switch.script.append(name)
            with pytest.raises(ProblemError, match=name) as raised:
                await pay(client)
            assert raised.value.problem.name == name
        assert len(small_switch.attempts) == 3
        small_switch.script.extend(["drop", "malformed-message"])
        with pytest.raises(ProblemError, match="malformed-message"):
            await pay(client)
        small_switch.script.extend(["drop", "participant-suspended"])
        with pytest.raises(OutcomeUnknown, match="participant-suspended"):
            await pay(client)


async def test_retry_after_is_honoured(small_switch: SmallSwitch) -> None:
    """When the switch asks for more time than there is, the client does not try again."""
    small_switch.retry_after = "30"
    small_switch.script.append("too-many-requests")
    async with client_of(small_switch) as client:
        with pytest.raises(ProblemError, match="too-many-requests"):
            await pay(client, deadline_s=5)
    assert len(small_switch.attempts) == 1


async def test_unsigned_refusal_is_repeated_for_a_moment_only(small_switch: SmallSwitch) -> None:
    """A key that is not known may be known in a second; after that, waiting is in vain."""
    async with client_of(small_switch, key_id="wallet-one/unknown") as client:
        with pytest.raises(OutcomeUnknown, match="key-unknown"):
            await pay(client)
    assert 1 < len(small_switch.attempts) < 50


async def test_switch_that_is_not_there_decides_nothing() -> None:
    """A request that never left is not unknown."""
    with socket.socket() as taken:  # bound, never listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with Client(
            url, key_id=PARTICIPANT_KEY_ID, key=PARTICIPANT_SEED, deadline_s=0.3
        ) as client:
            with pytest.raises(Unreachable):
                await pay(client)
            with pytest.raises(Unreachable):
                await client.account("a")


@pytest.mark.parametrize("failure", ["drop", "unsigned", "forged", "silent"])
async def test_look_up_without_a_trusted_answer_is_unreachable(
    small_switch: SmallSwitch, failure: str
) -> None:
    """A look-up changes nothing, so it leaves nothing unknown."""
    small_switch.script.extend([failure] * 200)
    async with client_of(small_switch, deadline_s=0.3) as client:
        with pytest.raises(Unreachable):
            await client.account("a")


async def test_payment_is_found_by_its_key(small_switch: SmallSwitch) -> None:
    """None means: not decided so far."""
    async with client_of(small_switch) as client:
        assert await client.payment_by_key("a/b&c") is None
        payment = await pay(client, key="a/b&c")
        assert await client.payment_by_key("a/b&c") == payment


async def test_accounts_are_opened_changed_and_listed(small_switch: SmallSwitch) -> None:
    """Lists are read page after page; ids that are no ids stay inside their segment."""
    async with client_of(small_switch) as client:
        account = await client.open_account(kind="wallet", currency="CNY", reference="r")
        assert (account.kind, account.reference) == ("wallet", "r")
        assert (await client.freeze("a")).operation == "freeze"
        assert (await client.unfreeze("a")).operation == "unfreeze"
        assert (await client.close_account("a")).operation == "close"
        assert [found.id async for found in client.accounts()] == ACCOUNTS
        await client.account("../x?y")
    assert small_switch.attempts[-1][1] == "/v1/accounts/..%2Fx%3Fy"


async def test_pinned_keys_are_the_only_ones_trusted(small_switch: SmallSwitch) -> None:
    """With pinned keys nothing is fetched, and another key's answer is none."""
    async with client_of(small_switch, switch_keys=small_switch.published) as client:
        assert (await pay(client)).status == "completed"
        small_switch.rotate("2026-12", bytes(range(64, 96)))
        with pytest.raises(OutcomeUnknown):
            await pay(client, key="order-2", deadline_s=0.3)


async def test_rotated_key_is_fetched_again(small_switch: SmallSwitch) -> None:
    """Without pinned keys, an unknown key of the switch is looked up once more."""
    clock = MovedClock()
    async with client_of(small_switch, clock=clock) as client:
        assert (await pay(client)).status == "completed"
        small_switch.rotate("2026-12", bytes(range(64, 96)))
        with pytest.raises(OutcomeUnknown):  # asked a moment ago
            await pay(client, key="order-2", deadline_s=0.3)
        clock.moved_s = 60
        assert (await pay(client, key="order-2")).status == "completed"


async def test_signed_answer_that_is_not_understood_is_an_error(small_switch: SmallSwitch) -> None:
    """A newer switch may say what this library cannot read; it is not guessed at."""
    small_switch.script.append("unknown-body")
    async with client_of(small_switch) as client:
        with pytest.raises(ClientError, match="not understood"):
            await pay(client)


async def test_key_may_be_a_file(small_switch: SmallSwitch, tmp_path: Path) -> None:
    """A path is read as PEM, once, when the client is made."""
    path = tmp_path / "wallet.pem"
    keyfile.write_private_key(path, PARTICIPANT_SEED)
    async with client_of(small_switch, key=path) as client:
        assert (await pay(client)).status == "completed"


@pytest.mark.parametrize("url", ["", "switch.example", "ftp://x", "http://x/v1", "http://"])
def test_url_that_is_none_is_refused(url: str) -> None:
    """The error says what was expected."""
    with pytest.raises(SwitchError, match="HOST"):
        Client(url, key_id=PARTICIPANT_KEY_ID, key=PARTICIPANT_SEED)


async def test_what_is_pending_is_an_answer(small_switch: SmallSwitch) -> None:
    """A 202 is no failure: the payment comes back as it stands, and nothing is sent again."""
    small_switch.script.append("pending")
    async with client_of(small_switch) as client:
        assert (await pay(client)).status == "pending"
    assert len(small_switch.attempts) == 1


async def test_a_pending_payment_is_sent_again_until_it_is_decided(
    small_switch: SmallSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under one key, chosen once, as long as the caller waits."""
    monkeypatch.setattr("switch.patience.CLIENT_PENDING_PAUSE_S", 0.01)
    small_switch.script.extend(["pending", "pending", "drop"])
    async with client_of(small_switch) as client:
        payment = await client.pay_bytes(BODY, wait_s=30)
    assert payment.status == "completed"
    assert len(small_switch.attempts) == 4
    assert {key for _, _, key in small_switch.attempts} == {payment.idempotency_key}


async def test_a_bank_that_takes_too_long_leaves_a_payment_pending(
    small_switch: SmallSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the time is over the present state is told."""
    monkeypatch.setattr("switch.patience.CLIENT_PENDING_PAUSE_S", 0.01)
    small_switch.script.extend(["pending"] * 1000)
    async with client_of(small_switch) as client:
        payment = await client.pay_bytes(BODY, wait_s=0.05)
    assert payment.status == "pending"
    assert len(small_switch.attempts) > 1
