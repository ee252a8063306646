"""Who is listened to: signatures, keys and their changes, over HTTP and on a live worker."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest

from switch import keyfile, limits, receipt
from switch.clock import SYSTEM_CLOCK
from switch.message import Payment
from switch.receipt import Genuine
from switch.signature import signing_key
from switch.structured import Fault
from tests.integration.town import Member, Reply, Town, eventually, payment, until

NOBODY = "00000000-0000-7000-8000-000000000000"


async def send(town: Town, sender: Member, payer: str, payee: str, **changes: object) -> Reply:
    """One payment, signed and then perhaps changed on the way."""
    return await town.send(
        sender,
        "POST",
        "/v1/payments",
        content=payment(payer, payee, 1),
        key=uuid4().hex,
        **changes,  # type: ignore[arg-type]
    )


async def test_what_is_not_signed_is_refused_unsigned(town: Town) -> None:
    """No signature, no answer that promises anything."""
    for method, target in (("POST", "/v1/payments"), ("GET", "/v1/accounts")):
        reply = await town.raw(method, target)
        assert (reply.status, reply.problem) == (401, "signature-missing")
        assert not reply.is_signed


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/nothing?limit=1", 404),
        ("POST", "/v1/payments/", 404),
        ("POST", "/v1/accounts/x/freeze/y", 404),
        ("PUT", "/v1/payments", 405),
        ("DELETE", f"/v1/payments/{NOBODY}", 405),
        ("HEAD", "/v1/accounts", 405),
        ("POST", "/livez", 405),
    ],
)
async def test_a_path_or_method_that_is_not_here_is_refused_as_it_was_asked(
    town: Town, wallet: Member, method: str, target: str, status: int
) -> None:
    """Signed for who signed, with or without a body; for who did not, or forged, it is not."""
    forger = Member(id=wallet.id, key=signing_key(wallet.key.key_id, keyfile.generate_seed()))
    content = None if method in {"GET", "HEAD"} else {"a": 1}
    key = "one" if method == "POST" else None
    reply = await town.send(wallet, method, target, content=content, key=key)
    assert (reply.status, reply.is_signed) == (status, True)
    assert ("Allow" in reply.headers) == (status == 405)
    forged = await town.send(forger, method, target, content=content, key=key)
    unsigned = await town.raw(method, target)
    for other in (forged, unsigned):
        assert (other.status, other.is_signed, other.body) == (status, False, reply.body)


async def test_what_was_changed_on_the_way_is_refused(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Body, path, method, key and time are each part of what was signed."""
    good = payment(payer, payee, 1)
    cases: dict[str, dict[str, object]] = {
        "digest-mismatch": {"sent_body": str(good).encode()},
        "signature-invalid": {"changed": {"Idempotency-Key": "another"}},
    }
    for name, changes in cases.items():
        reply = await send(town, wallet, payer, payee, **changes)
        assert (reply.problem, reply.is_signed) == (name, False)
    reply = await town.send(
        wallet, "GET", f"/v1/accounts/{payer}", sent_target=f"/v1/accounts/{payee}"
    )
    assert reply.problem == "signature-invalid"
    reply = await town.send(
        wallet, "GET", "/v1/payments?limit=1", sent_target="/v1/payments?limit=2"
    )
    assert reply.problem == "signature-invalid"
    reply = await town.send(wallet, "GET", "/v1/payments", sent_target="/v1/payments?limit=2")
    assert reply.problem == "signature-incomplete"


async def test_old_and_future_signatures_are_refused(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Outside the allowed age a signature is worth nothing, on either side."""
    now_s = SYSTEM_CLOCK.now_us() // 1_000_000
    for created in (
        now_s - limits.SIGNATURE_AGE_S_MAX - 60,
        now_s + limits.SIGNATURE_AHEAD_S_MAX + 60,
        1,
    ):
        reply = await send(town, wallet, payer, payee, created=created)
        assert (reply.status, reply.problem) == (401, "signature-expired")


async def test_a_message_for_another_switch_is_refused(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """421 for a name that is not this switch's; its own names in any case are one name."""
    reply = await send(town, wallet, payer, payee, authority="elsewhere.example")
    assert (reply.status, reply.problem, reply.is_signed) == (421, "wrong-authority", False)
    reply = await send(town, wallet, payer, payee, authority=f"localhost:{town.port}")
    assert reply.status == 201
    reply = await send(
        town, wallet, payer, payee,
        authority=f"localhost:{town.port}", changed={"Host": f"LocalHost:{town.port}"},
    )  # fmt: skip
    assert reply.status == 201
    reply = await send(
        town, wallet, payer, payee,
        changed={"X-Forwarded-Host": "elsewhere.example", "Forwarded": "host=elsewhere.example"},
    )  # fmt: skip
    assert reply.status == 201, "forwarded hosts are ignored"


async def test_keys_that_are_unknown_or_out_of_their_time(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """A key nobody registered, one not yet valid and one no longer valid are told apart."""
    seed = keyfile.generate_seed()
    stranger = Member(id=wallet.id, key=signing_key(f"{wallet.id}/nobody", seed))
    assert (await send(town, stranger, payer, payee)).problem == "key-unknown"
    now = SYSTEM_CLOCK.now()
    hour = timedelta(hours=1)
    for name, begin, end in (
        ("early", now + hour, now + 2 * hour),
        ("late", now - hour, now - 0.5 * hour),
    ):
        seed = keyfile.generate_seed()
        await town.operator.add_key(
            f"{wallet.id}/{name}", keyfile.public_key(seed), not_before=begin, not_after=end
        )
        late_or_early = Member(id=wallet.id, key=signing_key(f"{wallet.id}/{name}", seed))
        await town.until_known(late_or_early)
        reply = await send(town, late_or_early, payer, payee)
        assert (reply.status, reply.problem) == (401, "key-not-valid")


async def revoked(town: Town, sender: Member, payer: str, payee: str) -> float:
    """Revoke the sender's key and say after how many seconds the worker refuses it."""
    await town.operator.revoke_key(sender.key.key_id)
    started_s = SYSTEM_CLOCK.monotonic_s()
    reply = await eventually(lambda: send(town, sender, payer, payee), 401)
    assert reply.problem in {"key-unknown", "key-not-valid"}
    return SYSTEM_CLOCK.monotonic_s() - started_s


async def test_a_revoked_key_stops(town: Town, wallet: Member, payer: str, payee: str) -> None:
    """A worker hears of it and refuses the key; the bound leaves room for a slow machine."""
    assert (await send(town, wallet, payer, payee)).status == 201
    assert await revoked(town, wallet, payer, payee) < 2.5


async def test_a_revoked_key_stops_though_the_listening_connection_was_lost(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """The connection is cut just before the key is revoked."""
    for pid in await listening(town):
        await town.operator.connection.execute("SELECT pg_terminate_backend($1)", pid)
    assert await revoked(town, wallet, payer, payee) < 2.5


async def test_a_revoked_key_stops_though_the_listening_connection_is_silent(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """The connection is open and says nothing, as when a machine is gone: the worker asks anew."""
    async with stopped(await listening(town)):
        assert await revoked(town, wallet, payer, payee) < 2.5


async def test_without_word_from_the_ledger_nobody_is_trusted(
    town: Town, wallet: Member, payer: str, payee: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot that cannot be confirmed for two seconds is not decided by; later it is again."""

    async def no_connection() -> None:
        raise OSError("no network")

    monkeypatch.setattr(town.app.participants, "_connect", no_connection)
    for pid in await listening(town):
        await town.operator.connection.execute("SELECT pg_terminate_backend($1)", pid)
    reply = await eventually(lambda: send(town, wallet, payer, payee), 503)
    assert (reply.problem, reply.is_signed) == ("ledger-unavailable", False)
    assert reply.headers["Retry-After"]
    assert (await town.raw("GET", "/readyz")).status == 503
    assert (await town.raw("GET", "/livez")).status == 200
    monkeypatch.undo()
    await eventually(lambda: send(town, wallet, payer, payee), 201)
    assert (await town.raw("GET", "/readyz")).status == 200


async def test_the_switch_changes_its_key_without_a_break(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """After a rotation the new key signs, both are published, and old answers still verify."""
    before = await send(town, wallet, payer, payee)
    made = await town.operator.make_switch_key(town.key_dir, not_before=SYSTEM_CLOCK.now())

    async def with_new_key() -> Reply:
        reply = await send(town, wallet, payer, payee)
        assert reply.status == 201
        return reply

    async with asyncio.timeout(10):
        while made.key_id not in (await with_new_key()).headers["Signature-Input"]:
            pass
    document = (await town.raw("GET", "/.well-known/jwks.json")).json
    published = {key["kid"] for key in document["keys"]}
    assert made.key_id in published
    assert before.headers["Signature-Input"].split('keyid="')[1].split('"')[0] in published
    for key in document["keys"]:
        assert key["kty"] == "OKP"
        assert key["crv"] == "Ed25519"
        assert "d" not in key, "private halves are never published"


async def test_a_key_of_the_switch_is_left_alone_before_its_end(town: Town) -> None:
    """Nobody gets an answer that is signed after the end of its key, to the second."""
    now = SYSTEM_CLOCK.now()
    end = now + timedelta(seconds=limits.SWITCH_KEY_MARGIN_S)
    made = await town.operator.make_switch_key(town.key_dir, not_before=now, not_after=end)
    participants = town.app.participants
    await until(
        lambda: any(key.key_id == made.key_id for key in participants.published_keys),
        "the key is published",
    )
    assert participants.signing_key is not None
    assert participants.signing_key.key_id != made.key_id


async def test_a_key_of_the_switch_that_was_read_by_others_is_ended(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """It signs no more, stays published, and what it signed before still verifies."""
    operator, participants = town.operator, town.app.participants
    lost = participants.signing_key
    assert lost is not None
    answer = await send(town, wallet, payer, payee)
    token = (await town.send(wallet, "GET", f"/v1/payments/{answer.json['id']}/receipt")).body
    unbegun = await operator.make_switch_key(town.key_dir)
    made = await operator.make_switch_key(town.key_dir, not_before=SYSTEM_CLOCK.now())
    for key_id in (lost.key_id, unbegun.key_id, lost.key_id):
        await operator.end_switch_key(key_id)

    def ended() -> bool:
        now = SYSTEM_CLOCK.now()
        found = {key.key_id: key.not_after for key in participants.published_keys}
        return all((found[key_id] or now) < now for key_id in (lost.key_id, unbegun.key_id))

    await until(ended, "both have ended")
    assert participants.signing_key is not None
    assert participants.signing_key.key_id == made.key_id
    assert (await send(town, wallet, payer, payee)).status == 201
    keys = keyfile.parse_jwks((await town.raw("GET", "/.well-known/jwks.json")).body)
    assert isinstance(receipt.verify(token.decode(), keys), Genuine)
    late = receipt.issue(
        msgspec.convert(answer.json, Payment),
        issuer="forger",
        key=lost,
        issued_at_s=SYSTEM_CLOCK.now_us() // 1_000_000 + 1,
    )
    assert isinstance(receipt.verify(late, keys), Fault)


async def test_many_failures_of_one_key_from_one_address_are_turned_away(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a burst of bad signatures the pair is told 429; other keys are served as ever."""
    monkeypatch.setattr(limits, "SPARE_VERIFICATIONS_BURST", 0.0)
    attacked = await town.member("wallet")
    forger = Member(id=attacked.id, key=signing_key(attacked.key.key_id, keyfile.generate_seed()))
    names = [
        (await town.send(forger, "GET", "/v1/accounts")).problem
        for _ in range(limits.FAILED_SIGNATURES_BURST + 20)
    ]
    assert names[0] == "signature-invalid"
    assert "too-many-requests" in names
    other = await town.member("wallet")
    assert (await town.send(other, "GET", "/v1/accounts")).status == 200


async def test_a_flood_of_forgeries_lets_the_owner_of_the_key_through(town: Town) -> None:
    """Forgers and owner share an address, as behind a proxy; the owner is heard all the same."""
    attacked = await town.member("wallet")
    forger = Member(id=attacked.id, key=signing_key(attacked.key.key_id, keyfile.generate_seed()))
    for _ in range(limits.FAILED_SIGNATURES_BURST + 20):
        await town.send(forger, "GET", "/v1/accounts")
    reply = await eventually(lambda: town.send(attacked, "GET", "/v1/accounts"), 200)
    assert reply.is_signed


async def listening(town: Town) -> list[int]:
    """The server processes behind the worker's participants connection."""
    rows = await town.operator.connection.fetch(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'switch participants'"
        " AND datname = current_database()"
    )
    assert rows, "the worker listens"
    return [row["pid"] for row in rows]


@asynccontextmanager
async def stopped(pids: list[int]) -> AsyncIterator[None]:
    """These processes do nothing for a while, without closing anything."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
