"""Keys over HTTP: introduced by a valid key and by themselves, shown, used, revoked."""

import asyncio
import json
import re
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from switch import keyfile, limits
from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.signature import signing_key
from switch.signing import sign_request
from switch.upkeep import sequence_events
from tests.databases import Database
from tests.integration.keyring import NewKey, introduce, introduced, jwk, own_keys, revoke
from tests.integration.town import Member, Reply, Town, eventually, open_town


async def test_a_new_key_is_introduced_and_signs(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """201 with the key; then it pays, beside the old one."""
    new = NewKey(wallet, "two")
    reply = await introduce(town, wallet, new)
    assert (reply.status, reply.is_signed) == (201, True)
    made = reply.json
    assert made["id"] == f"{wallet.id}/two"
    assert made["public_key"] == new.content["public_key"]
    assert made["introduced_by"] == wallet.key.key_id
    assert (made["confirmed_at"], made["revoked_at"], made["last_used_at"]) == (None, None, None)
    await town.until_known(new.member)
    for sender in (new.member, wallet):
        assert (await town.pay(sender, payer, payee, 1)).status == 201
    shown = await own_keys(town, new.member)
    assert shown["two"] == made
    assert shown["one"]["introduced_by"] is None


@pytest.mark.parametrize("begins_in", [timedelta(), timedelta(days=2)])
@pytest.mark.parametrize("swapped", [False, True])
async def test_a_repeat_is_the_same_answer(
    town: Town, wallet: Member, begins_in: timedelta, swapped: bool
) -> None:
    """200 and the same bytes, though both keys are registered then, in any order, valid or not."""
    new = NewKey(wallet, "two")
    if begins_in:
        new.content["not_before"] = rfc3339(SYSTEM_CLOCK.now() + begins_in)
    first = await introduce(town, wallet, new, key="k")
    assert first.status == 201
    await town.until_known(new.member)
    sender, signer = (new.member, wallet.key) if swapped else (wallet, new.key)
    repeat = await introduce(town, sender, new, key="k", signer=signer)
    assert (repeat.status, repeat.body) == (200, first.body)
    assert repeat.headers["Idempotent-Replayed"] == "true"
    other = await introduce(town, wallet, new, key="k", not_after="2026-11-23T00:00:00Z")
    assert (other.status, other.problem) == (422, "idempotency-key-reused")
    await town.operator.confirm_key(new.key.key_id)
    repeat = await introduce(town, wallet, new, key="k")
    assert repeat.body == first.body, "later changes are in GET, never in a repeat"
    assert (await own_keys(town, wallet))["two"]["confirmed_at"] is not None


async def test_a_repeat_outlives_the_key_that_introduced(town: Town, wallet: Member) -> None:
    """The old key is at its end: the new one says who asks, and both still sign."""
    new = NewKey(wallet, "two")
    first = await introduce(town, wallet, new, key="k")
    await town.until_known(new.member)
    await town.operator.connection.execute(
        "UPDATE ledger.participant_key k SET not_after = now() FROM ledger.participant p"
        " WHERE p.participant_no = k.participant_no AND p.id = $1 AND k.name = 'one'",
        wallet.id,
    )
    await town.operator.connection.execute("SELECT ledger.touch_participants()")
    await eventually(lambda: town.send(wallet, "GET", "/v1/keys"), 401)
    repeat = await introduce(town, wallet, new, key="k")
    assert (repeat.status, repeat.body) == (200, first.body)
    forged = signing_key(wallet.key.key_id, keyfile.generate_seed())
    reply = await introduce(town, new.member, new, key="k", signer=forged)
    assert (reply.status, reply.problem, reply.is_signed) == (401, "signature-invalid", True)
    other = await introduce(town, wallet, new, key="l")
    assert (other.status, other.problem, other.is_signed) == (401, "key-not-valid", True)


async def test_both_must_sign(town: Town, wallet: Member, merchant: Member) -> None:
    """One signature, three, somebody else's as the second, or one by other hands: all refused."""
    new = NewKey(wallet, "two")
    alone = await town.send(wallet, "POST", "/v1/keys", content=new.content, key=uuid4().hex)
    assert (alone.status, alone.problem, alone.is_signed) == (401, "signature-missing", False)
    reply = await introduce(town, wallet, new, signer=merchant.key)
    assert (reply.status, reply.problem) == (401, "signature-ambiguous")
    unknown = await introduce(town, new.member, new, signer=NewKey(wallet, "three").key)
    assert (unknown.status, unknown.problem, unknown.is_signed) == (401, "key-unknown", False)
    forged = signing_key(new.key.key_id, keyfile.generate_seed())
    reply = await introduce(town, wallet, new, signer=forged)
    assert (reply.status, reply.problem, reply.is_signed) == (401, "signature-invalid", True)
    other = NewKey(wallet, "three")
    reply = await introduce(town, wallet, new, signer=other.key)
    assert (reply.status, reply.problem, reply.is_signed) == (401, "signature-missing", True)
    assert (await own_keys(town, wallet)).keys() == {"one"}


async def send_edited(
    town: Town, sender: Member, new: NewKey, edit: Callable[[str, str], tuple[str, str]]
) -> Reply:
    """Signed by both; `edit` changes Signature-Input and Signature on the way."""
    body = json.dumps(new.content).encode()
    request = sign_request(
        sender.key, method="POST", authority=town.authority, path="/v1/keys", body=body,
        idempotency_key=uuid4().hex, created=SYSTEM_CLOCK.now_us() // 1_000_000, new_key=new.key,
    )  # fmt: skip
    headers = request.headers | {"Host": town.authority, "Content-Type": "application/json"}
    inputs, signatures = edit(headers["Signature-Input"], headers["Signature"])
    headers |= {"Signature-Input": inputs, "Signature": signatures}
    return await town.raw("POST", "/v1/keys", headers=headers, body=body, signed=request)


@pytest.mark.parametrize(
    ("problem", "pattern", "instead"),
    [
        ("signature-incomplete", ' "content-digest"', ""),
        ("signature-incomplete", ' "idempotency-key"', ""),
        ("signature-incomplete", '"@path" ', ""),
        ("signature-expired", "created=[0-9]+", "created=1793520000"),
        ("signature-expired", "(created=[0-9]+)", r"\1;expires=1793520000"),
        ("signature-invalid", "ed25519", "rsa-v1_5-sha256"),
        ("signature-invalid", "created=[0-9]+;", ""),
        ("malformed-message", "never", ""),
    ],
)
async def test_the_second_signature_is_held_to_the_same_rules(
    problem: str, pattern: str, instead: str, town: Town, wallet: Member
) -> None:
    """It covers as much and is as young as the first, which the headers alone tell."""
    new = NewKey(wallet, "two")

    def edit(inputs: str, signatures: str) -> tuple[str, str]:
        first, second = inputs.split(", ")
        return f"{first}, {re.sub(pattern, instead, second)}", signatures

    if problem == "malformed-message":
        new.content["name"] = "/"
    reply = await send_edited(town, wallet, new, edit)
    assert (reply.problem, reply.is_signed) == (problem, problem == "malformed-message")


async def test_a_proxys_signature_may_stand_beside_both(town: Town, wallet: Member) -> None:
    """A third by somebody who has no key here is passed over; a third by the sender is not."""
    for key_id, status in (("proxy/one", 201), (f"{wallet.id}/three", 401)):
        new = NewKey(wallet, "two")

        def edit(inputs: str, signatures: str, by: str = key_id) -> tuple[str, str]:
            third = f'third=("@method");created=1793520000;keyid="{by}"'
            return f"{third}, {inputs}", f"{signatures}, third=:{'A' * 86}==:"

        reply = await send_edited(town, wallet, new, edit)
        assert reply.status == status
        if status == 401:
            assert (reply.problem, reply.is_signed) == ("signature-ambiguous", False)


async def test_what_may_not_be_introduced(town: Town, wallet: Member, merchant: Member) -> None:
    """400 names the member and the rule; nothing changes and the idempotency key is free."""
    new = NewKey(wallet, "two")
    now = SYSTEM_CLOCK.now()
    over = rfc3339(now + timedelta(days=limits.KEY_VALIDITY_D + 1))
    taken = jwk(wallet_seed := keyfile.generate_seed())
    await town.operator.add_key(f"{merchant.id}/two", keyfile.public_key(wallet_seed))
    point = "AQ" + "A" * 41
    for field, more in (
        ("name", {"name": "a/b"}),
        ("name", {"name": ""}),
        ("name", {"name": "x" * (limits.KEY_NAME_CHARS_MAX + 1)}),
        ("not_after", {"not_after": over}),
        ("not_after", {"not_after": rfc3339(now - timedelta(days=1))}),
        ("not_after", {"not_after": "9999-12-31T23:59:59.999999Z"}),
        ("not_before", {"not_before": 5}),
        ("public_key", {"public_key": "PEM"}),
        ("public_key.x", {"public_key": new.content["public_key"] | {"x": point}}),
        ("public_key.d", {"public_key": new.content["public_key"] | {"d": point}}),
        ("public_key.kid", {"public_key": new.content["public_key"] | {"kid": "mine"}}),
        ("validity", {"validity": 5}),
    ):
        reply = await introduce(town, wallet, new, key="k", **more)
        assert (reply.status, reply.json.get("field")) == (400, field), (more, reply.json)
        assert reply.is_signed
    stolen = NewKey(wallet, "two")
    stolen.key = signing_key(f"{wallet.id}/two", wallet_seed)
    reply = await introduce(town, wallet, stolen, key="k", public_key=taken)
    assert (reply.status, reply.json["field"]) == (400, "public_key")
    await introduced(town, wallet, "taken")
    for _ in range(2):
        again = await introduce(town, wallet, NewKey(wallet, "taken"), key="k")
        assert (again.status, again.json["field"]) == (400, "name")
        await revoke(town, wallet, "taken")
    kid = new.content["public_key"] | {"kid": new.key.key_id, "use": "sig", "alg": "EdDSA"}
    assert (await introduce(town, wallet, new, key="k", public_key=kid)).status == 201


async def test_a_key_that_is_at_its_end_introduces_nothing(town: Town, wallet: Member) -> None:
    """Neither before its time nor after it, whichever of two registered keys says who asks."""
    now, hour = SYSTEM_CLOCK.now(), timedelta(hours=1)
    for name, begin, end in (("early", now + hour, now + 2 * hour), ("late", now - hour, now)):
        old = NewKey(wallet, name)
        await town.operator.add_key(
            old.key.key_id, keyfile.public_key(old.seed), not_before=begin, not_after=end
        )
        await town.until_known(old.member)
        reply = await introduce(town, old.member, NewKey(wallet, "two"))
        assert (reply.status, reply.problem, reply.is_signed) == (401, "key-not-valid", False)
        known = NewKey(wallet, "one")
        known.key = wallet.key
        reply = await introduce(town, old.member, known)
        assert (reply.status, reply.problem, reply.is_signed) == (401, "key-not-valid", True)


async def test_a_suspended_participant_may_revoke_and_repeat(town: Town, wallet: Member) -> None:
    """But not introduce."""
    new = NewKey(wallet, "two")
    first = await introduce(town, wallet, new, key="k")
    await town.operator.set_participant_status(wallet.id, status="suspended")
    assert (
        await eventually(lambda: introduce(town, wallet, NewKey(wallet, "three")), 403)
    ).is_signed
    repeat = await introduce(town, wallet, new, key="k")
    assert (repeat.status, repeat.body) == (200, first.body)
    assert (await own_keys(town, wallet)).keys() == {"one", "two"}
    assert (await revoke(town, wallet, "two")).status == 201


async def test_a_key_revokes_another_and_itself(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """What it introduced goes with it; the answer to its own end is signed."""
    two = await introduced(town, wallet, "two")
    three = await introduced(town, two.member, "three")
    first = await revoke(town, wallet, "two", "r")
    assert (first.status, first.is_signed) == (201, True)
    assert first.json["key"] == two.key.key_id
    assert first.json["revoked"] == [three.key.key_id, two.key.key_id]
    repeat = await revoke(town, wallet, "two", "r")
    assert (repeat.status, repeat.body) == (200, first.body)
    assert (await revoke(town, wallet, "two")).json["revoked"] == []
    for gone in (two, three):
        reply = await eventually(lambda gone=gone: town.pay(gone.member, payer, payee, 1), 401)  # type: ignore[misc]
        assert reply.problem == "key-unknown"
    shown = await own_keys(town, wallet)
    assert {name for name, one in shown.items() if one["revoked_at"]} == {"two", "three"}
    last = await revoke(town, wallet, "one")
    assert (last.status, last.is_signed, last.json["revoked"]) == (201, True, [wallet.key.key_id])
    assert (await eventually(lambda: town.pay(wallet, payer, payee, 1), 401)).problem == (
        "key-unknown"
    )


async def test_a_confirmed_key_outlives_its_introducer(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """So says the operator; the old key is gone."""
    two = await introduced(town, wallet, "two")
    await town.operator.confirm_key(two.key.key_id)
    assert (await revoke(town, two.member, "one")).json["revoked"] == [wallet.key.key_id]
    await eventually(lambda: town.pay(wallet, payer, payee, 1), 401)
    assert (await town.pay(two.member, payer, payee, 1)).status == 201


async def test_every_change_of_a_key_is_an_event(
    town: Town, wallet: Member, merchant: Member
) -> None:
    """Of its participant and nobody else: what happened, when it is valid, which key signed."""
    two = await introduced(town, wallet, "two")
    await town.operator.confirm_key(two.key.key_id)
    await town.operator.add_key(f"{wallet.id}/three", keyfile.public_key(keyfile.generate_seed()))
    await revoke(town, two.member, "one")
    while await sequence_events(town.operator.connection, limits.EVENT_RUN_MAX):
        pass
    feed = (await town.send(two.member, "GET", "/v1/events")).json["data"]
    assert [(event["type"], event["key"]["id"], event["key"]["by"]) for event in feed] == [
        ("key.introduced", two.key.key_id, wallet.key.key_id),
        ("key.confirmed", two.key.key_id, None),
        ("key.added", f"{wallet.id}/three", None),
        ("key.revoked", wallet.key.key_id, two.key.key_id),
    ]
    assert (feed[0]["payment"], feed[0]["step"]) == (None, None)
    shown = (await own_keys(town, two.member))["two"]
    assert feed[0]["key"]["not_after"] == shown["not_after"]
    assert feed[1]["occurred_at"] == shown["confirmed_at"]
    assert (await town.send(merchant, "GET", "/v1/events")).json["data"] == []


async def test_the_key_of_another_is_not_there(
    town: Town, wallet: Member, merchant: Member
) -> None:
    """404, the idempotency key is free, and nothing of it is listed."""
    await introduced(town, merchant, "theirs")
    for name in ("theirs", "none", "a%2Fb", "."):
        reply = await revoke(town, wallet, name, "x")
        assert (reply.status, reply.problem) == (404, "not-found"), name
    assert (await own_keys(town, wallet)).keys() == {"one"}
    assert (await revoke(town, wallet, "one", "x")).status == 201


async def test_one_idempotency_key_means_one_operation(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Spent on a key, it is spent for payments and other keys, and the other way round."""
    new = NewKey(wallet, "two")
    assert (await introduce(town, wallet, new, key="k")).status == 201
    assert (await town.pay(wallet, payer, payee, 1, key="k")).problem == "idempotency-key-reused"
    assert (await revoke(town, wallet, "two", "k")).problem == "idempotency-key-reused"
    assert (await town.pay(wallet, payer, payee, 1, key="p")).status == 201
    reply = await introduce(town, wallet, NewKey(wallet, "three"), key="p")
    assert reply.problem == "idempotency-key-reused"


async def bar(town: Town, sender: Member, key: str) -> Reply:
    """See to it that an idempotency key is never decided."""
    content = {"idempotency_key": key}
    return await town.send(sender, "POST", "/v1/payments/bar", content=content, key=key)


async def test_a_barred_key_introduces_and_revokes_nothing(town: Town, wallet: Member) -> None:
    """Whatever is sent under it gets the bar's own answer."""
    barred = await bar(town, wallet, "b")
    assert (barred.status, barred.json["reason"]) == (201, "barred")
    for reply in (
        await introduce(town, wallet, NewKey(wallet, "two"), key="b"),
        await revoke(town, wallet, "one", "b"),
    ):
        assert (reply.status, reply.body) == (200, barred.body)
    shown = await own_keys(town, wallet)
    assert (shown.keys(), shown["one"]["revoked_at"]) == ({"one"}, None)


async def test_a_bar_tells_what_was_decided_about_a_key(town: Town, wallet: Member) -> None:
    """The first answer, byte for byte, of an introduction and of a revocation."""
    first = await introduce(town, wallet, NewKey(wallet, "two"), key="k")
    second = await revoke(town, wallet, "two", "r")
    for key, answer in (("k", first), ("r", second)):
        reply = await bar(town, wallet, key)
        assert (reply.status, reply.body) == (200, answer.body)
        found = await town.send(wallet, "GET", f"/v1/payments?idempotency_key={key}")
        assert "spent on another operation" in found.json["detail"]


async def test_keys_are_listed_in_pieces(town: Town, wallet: Member) -> None:
    """In the order of their names; parameters are strict."""
    for name in ("b", "a", "Z"):
        await introduce(town, wallet, NewKey(wallet, name))
    names: list[str] = []
    target = "/v1/keys?limit=3"
    while True:
        piece = (await town.send(wallet, "GET", target)).json
        names += [one["name"] for one in piece["data"]]
        if not piece["has_more"]:
            break
        target = f"/v1/keys?limit=3&after={piece['next_after']}"
    assert names == ["Z", "a", "b", "one"]
    for query in ("after=a/b", "limit=0", "name=a"):
        assert (await town.send(wallet, "GET", f"/v1/keys?{query}")).status == 400


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/v1/keys/one/revoke", 405),
        ("GET", "/v1/keys/-/revoke", 404),
        ("POST", "/v1/keys/one", 404),
        ("DELETE", "/v1/keys", 405),
    ],
)
async def test_what_keys_do_not_offer(
    method: str, target: str, status: int, town: Town, wallet: Member
) -> None:
    """A name that may be one is told which method there is; nothing else is there."""
    assert (await town.send(wallet, method, target, key="m")).status == status


async def test_what_one_worker_does_with_keys_holds_on_the_other(
    database: Database, town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Introduced and revoked at one, a key signs and stops at both; both answer the repeats."""
    async with open_town(database, town.key_dir) as other:
        await other.until_known(wallet)
        new = NewKey(wallet, "two")
        asked = [introduce(at, wallet, new, key="k") for at in (town, other, town, other)]
        replies = await asyncio.gather(*asked)
        assert sorted(reply.status for reply in replies) == [200, 200, 200, 201]
        assert len({reply.body for reply in replies}) == 1
        for at in (town, other):
            await at.until_known(new.member)
            assert (await at.pay(new.member, payer, payee, 1)).status == 201
            assert (await introduce(at, wallet, new, key="k")).body == replies[0].body
        gone = await asyncio.gather(*(revoke(at, wallet, "two", "r") for at in (town, other)))
        assert gone[0].body == gone[1].body
        began_s = SYSTEM_CLOCK.monotonic_s()
        for at in (town, other):
            reply = await eventually(lambda at=at: at.pay(new.member, payer, payee, 1), 401)  # type: ignore[misc]
            assert reply.problem == "key-unknown"
        assert SYSTEM_CLOCK.monotonic_s() - began_s < 2.5, "a second, and room for a slow machine"


async def test_a_key_cannot_be_introduced_by_one_that_is_being_revoked(
    database: Database, town: Town
) -> None:
    """Whichever comes first at the ledger: afterwards nothing that the key introduced is valid."""
    async with open_town(database, town.key_dir) as other:
        for _ in range(10):
            wallet = await town.member("wallet")
            await other.until_known(wallet)
            new = NewKey(wallet, "two")
            await town.operator.add_key(
                f"{wallet.id}/watch", keyfile.public_key(watch := keyfile.generate_seed())
            )
            watcher = Member(id=wallet.id, key=signing_key(f"{wallet.id}/watch", watch))
            made, ended = await asyncio.gather(
                introduce(other, wallet, new), revoke(town, wallet, "one")
            )
            assert ended.status == 201
            assert (made.status, made.is_signed) in {(201, True), (401, True), (401, False)}
            await town.until_known(watcher)
            shown = await own_keys(town, watcher)
            assert ("two" in shown) == (made.status == 201)
            assert all(one["revoked_at"] for name, one in shown.items() if name != "watch")


async def test_what_is_answered_about_keys_is_described(town: Town, wallet: Member) -> None:
    """The document has both endpoints, the name in the path, and answers' members as they are."""
    document = (await town.raw("GET", "/openapi.json")).json
    schemas = document["components"]["schemas"]
    new = NewKey(wallet, "two")
    answers = {
        "ParticipantKey": (await introduce(town, wallet, new)).json,
        "KeyOperation": (await revoke(town, wallet, "two")).json,
    }
    for kind, answer in answers.items():
        assert list(answer) == list(schemas[kind]["properties"])
        assert schemas[kind]["examples"], "an example of each"
    [name, *_] = document["paths"]["/v1/keys/{name}/revoke"]["post"]["parameters"]
    assert (name["name"], name["in"]) == ("name", "path")
    refused = document["paths"]["/v1/keys"]["post"]["responses"]
    for status, problem in (("401", "signature-missing"), ("403", "participant-suspended")):
        assert problem in refused[status]["content"]["application/problem+json"]["examples"]
