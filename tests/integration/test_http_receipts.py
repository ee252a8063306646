"""Receipts over HTTP: who gets one, what it says, and that libraries of others verify it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from switch import keyfile, receipt
from switch.clock import SYSTEM_CLOCK
from switch.receipt import Genuine
from tests.integration import node
from tests.integration.town import CURRENCY, HOST, Member, Reply, Town, until

# RFC 9864 has a newer name, `Ed25519`, which most libraries do not know yet; this one says so.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")

MEMBERS = (
    "id", "idempotency_key", "request_digest", "participant", "type", "payer", "payee", "amount",
    "currency", "status", "reason", "created_at",
)  # fmt: skip


async def receipt_of(town: Town, reader: Member, payment_id: str) -> Reply:
    """What a participant gets when it asks for a receipt."""
    return await town.send(reader, "GET", f"/v1/payments/{payment_id}/receipt")


async def published(town: Town) -> Any:
    """The switch's keys, as anyone reads them."""
    return (await town.raw("GET", "/.well-known/jwks.json")).json


async def said_in(town: Town, reply: Reply) -> dict[str, Any]:
    """The payload of a receipt that this project's own reader finds genuine."""
    assert (reply.status, reply.is_signed) == (200, True)
    assert reply.headers["Content-Type"] == "application/jose"
    keys = keyfile.parse_jwks(json.dumps(await published(town)))
    assert isinstance(receipt.verify(reply.body.decode(), keys), Genuine)
    payload = keyfile.from_base64url(reply.body.decode().split(".")[1])
    assert payload is not None
    content: dict[str, Any] = json.loads(payload)
    return content


@pytest.mark.parametrize("amount", [1, 10**12], ids=["completed", "declined"])
async def test_a_receipt_says_what_the_answer_said(
    town: Town, wallet: Member, payer: str, payee: str, amount: int
) -> None:
    """Issuer, time, and the members of the decision as they were answered; nothing else."""
    begun_s = SYSTEM_CLOCK.now_us() // 1_000_000
    answer = await town.pay(wallet, payer, payee, amount, metadata={"till": "3"}, reference="r")
    content = await said_in(town, await receipt_of(town, wallet, answer.json["id"]))
    assert content.pop("iss") == f"{HOST}:{town.port}"
    assert begun_s <= content.pop("iat") <= SYSTEM_CLOCK.now_us() // 1_000_000
    assert content == {name: answer.json[name] for name in MEMBERS}


async def test_both_sides_get_the_same_receipt(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """Payer, payee, every fetch, under any name: only time of issue and key may differ."""
    metadata = {"for nobody else": "secret"}
    payment_id = (await town.pay(wallet, payer, payee, 1, metadata=metadata)).json["id"]
    contents = [
        await said_in(town, await receipt_of(town, reader, payment_id))
        for reader in (wallet, merchant, wallet, merchant)
    ]
    by_name = {"authority": f"localhost:{town.port}"}
    target = f"/v1/payments/{payment_id}/receipt"
    contents.append(await said_in(town, await town.send(wallet, "GET", target, **by_name)))
    for content in contents:
        del content["iat"]
    assert contents == [contents[0]] * 5
    assert "secret" not in json.dumps(contents)


async def test_a_payee_has_the_fee_in_its_receipt(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """What was kept of its payment or capture; the payer is told of no fee."""
    connection = town.operator.connection
    fees = await town.account(await town.member("bank"), "fee")
    await connection.execute(
        "SELECT ledger.set_tariff('of-receipts', $2, ARRAY[$1::uuid], ARRAY[6000],"
        " ARRAY[1::bigint], ARRAY[0::bigint], ARRAY[NULL::bigint])",
        fees, CURRENCY,
    )  # fmt: skip
    await connection.execute("SELECT ledger.set_account_tariff($1, 'of-receipts')", payee)
    paid = (await town.pay(wallet, payer, payee, 500, type="purchase")).json["id"]
    more = {"type": "purchase", "capture": False}
    hold = (await town.pay(wallet, payer, payee, 500, **more)).json["id"]
    step = await town.send(
        merchant, "POST", f"/v1/payments/{hold}/capture", content={}, key=uuid4().hex
    )
    for payment, fee in ((paid, 4), (hold, None), (step.json["id"], 4)):
        mine = await said_in(town, await receipt_of(town, merchant, payment))
        assert mine.get("fee") == fee
        assert "fee" not in await said_in(town, await receipt_of(town, wallet, payment))


async def test_what_happens_later_changes_no_receipt(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """A hold is `held` for ever in its receipt, captured and refunded or not; steps have theirs."""
    hold = (await town.pay(wallet, payer, payee, 5, capture=False)).json
    assert hold["status"] == "held"
    before = await said_in(town, await receipt_of(town, wallet, hold["id"]))
    for action in ("capture", "refund"):
        target = f"/v1/payments/{hold['id']}/{action}"
        step = await town.send(merchant, "POST", target, content={"amount": 2}, key=uuid4().hex)
        assert (step.status, step.json["status"]) == (201, "completed")
        of_step = await said_in(town, await receipt_of(town, wallet, step.json["id"]))
        assert (of_step["parent"], of_step["type"]) == (hold["id"], action)
        assert {name: of_step[name] for name in MEMBERS} == {
            name: step.json[name] for name in MEMBERS
        }
    now = (await town.send(wallet, "GET", f"/v1/payments/{hold['id']}")).json
    assert now["status"] != "held"
    after = await said_in(town, await receipt_of(town, wallet, hold["id"]))
    assert after | {"iat": 0} == before | {"iat": 0}
    assert after["status"] == "held"


async def test_a_barred_key_has_a_receipt(town: Town, wallet: Member) -> None:
    """It proves that nothing was and will be decided under the key; what was not asked is null."""
    key = uuid4().hex
    bar = await town.send(
        wallet, "POST", "/v1/payments/bar", content={"idempotency_key": key}, key=key
    )
    assert (bar.status, bar.json["reason"]) == (201, "barred")
    content = await said_in(town, await receipt_of(town, wallet, bar.json["id"]))
    assert {name: content[name] for name in MEMBERS} == {name: bar.json[name] for name in MEMBERS}
    assert content["amount"] is None


async def test_whoever_may_not_read_a_payment_gets_no_receipt(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """A stranger, an unknown id and an id that is none: the same signed 404."""
    payment_id = (await town.pay(wallet, payer, payee, 1)).json["id"]
    stranger = await town.member("wallet")
    assert (await receipt_of(town, wallet, payment_id)).status == 200
    refusals = [
        await receipt_of(town, stranger, payment_id),
        await receipt_of(town, wallet, str(uuid4())),
        await receipt_of(town, wallet, "none"),
    ]
    for refusal in refusals:
        assert (refusal.status, refusal.is_signed) == (404, True)
        assert refusal.body == refusals[0].body
    unsigned = await town.raw("GET", f"/v1/payments/{payment_id}/receipt")
    assert (unsigned.status, unsigned.problem) == (401, "signature-missing")
    asked = await town.send(wallet, "GET", f"/v1/payments/{payment_id}/receipt?a=1")
    assert (asked.status, asked.json["field"]) == (400, "a")


async def test_the_sender_that_holds_neither_account_gets_a_receipt(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """A payment that was declined because the sender may not pay is its own to prove."""
    stranger = await town.member("wallet")
    answer = await town.pay(stranger, payer, payee, 1)
    assert answer.json["reason"] == "not_permitted"
    content = await said_in(town, await receipt_of(town, stranger, answer.json["id"]))
    assert (content["status"], content["participant"]) == ("declined", stranger.id)


# A library of others: a token and a JWK set in, header and payload out, or None when refused.
Reader = Callable[[str, Any], Awaitable[dict[str, Any] | None]]


def read_with_python(token: str, jwks: Any) -> dict[str, Any] | None:
    """Verify with the Python package joserfc."""
    try:
        found = jwt.decode(token, KeySet.import_key_set(jwks), algorithms=["EdDSA"])
    except (JoseError, ValueError):
        return None
    return {"header": found.header, "payload": found.claims}


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["python", "node"])
async def reader(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Reader:
    """One of the two libraries, in a thread of its own: the switch runs in this process."""
    folder = tmp_path_factory.mktemp("npm")
    if request.param == "node":
        await asyncio.to_thread(node.install, folder)

    def read_with_node(token: str, jwks: Any) -> dict[str, Any] | None:
        found: dict[str, Any] = node.run(folder, "receipt.mjs", {"token": token, "jwks": jwks})
        return None if "fault" in found else found

    read = read_with_node if request.param == "node" else read_with_python

    async def read_beside(token: str, jwks: Any) -> dict[str, Any] | None:
        return await asyncio.to_thread(read, token, jwks)

    return read_beside


async def test_a_library_of_others_verifies_a_receipt(
    reader: Reader, town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """With the published keys alone it finds the receipt genuine and reads what was decided."""
    answer = await town.pay(wallet, payer, payee, 1)
    token = (await receipt_of(town, wallet, answer.json["id"])).body.decode()
    found = await reader(token, await published(town))
    assert found is not None
    assert found["header"]["alg"] == "EdDSA"
    assert found["header"]["typ"] == "payment-receipt+jwt"
    assert {name: found["payload"][name] for name in MEMBERS} == {
        name: answer.json[name] for name in MEMBERS
    }


async def test_a_library_of_others_refuses_a_changed_receipt(
    reader: Reader, town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """An amount, a status or a signature that was changed, and a key that was not published."""
    answer = await town.pay(wallet, payer, payee, 10**12)
    token = (await receipt_of(town, wallet, answer.json["id"])).body.decode()
    jwks = await published(town)
    header, payload, signature = token.split(".")
    content = json.loads(keyfile.from_base64url(payload) or b"")
    for changed in ({"status": "completed"}, {"amount": 1}, {"payee": payer}):
        other = keyfile.base64url(json.dumps(content | changed).encode())
        assert await reader(f"{header}.{other}.{signature}", jwks) is None
    assert await reader(f"{header}.{payload}.{'A' * 86}", jwks) is None
    stranger = keyfile.PublicKey(key_id="switch/x", public_key=keyfile.public_key(bytes(32)))
    assert await reader(token, {"keys": [keyfile.jwk(stranger)]}) is None


async def test_receipts_outlive_the_key_that_signed_them(
    reader: Reader, town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """After a rotation the old receipt verifies still, and a new one says the same."""
    payment_id = (await town.pay(wallet, payer, payee, 1, currency=CURRENCY)).json["id"]
    before = (await receipt_of(town, wallet, payment_id)).body.decode()
    made = await town.operator.make_switch_key(town.key_dir, not_before=SYSTEM_CLOCK.now())

    def signs() -> bool:
        key = town.app.participants.signing_key
        return key is not None and key.key_id == made.key_id

    await until(signs, "the new key signs")
    after = (await receipt_of(town, wallet, payment_id)).body.decode()
    jwks = await published(town)
    old, new = await reader(before, jwks), await reader(after, jwks)
    assert old is not None
    assert new is not None
    assert new["header"]["kid"] == made.key_id != old["header"]["kid"]
    assert new["payload"] | {"iat": 0} == old["payload"] | {"iat": 0}
