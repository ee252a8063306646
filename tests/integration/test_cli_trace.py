"""`switch trace`: one payment followed by the operator, by its id or its key."""

from uuid import UUID, uuid4

from tests.databases import ADMIN
from tests.integration.running import Said, switch
from tests.integration.town import Member, Town

NOBODY = "00000000-0000-7000-8000-000000000000"


async def trace(town: Town, *arguments: object) -> Said:
    """The command, at the town's database."""
    return await switch("trace", *arguments, SWITCH_ADMIN_DATABASE_URL=town.database.url(ADMIN))


async def refused(town: Town, *arguments: object) -> str:
    """The command, when it must fail; its one line."""
    said = await trace(town, *arguments)
    assert (said.code, said.out) == (1, ""), said
    return said.complaint


async def test_a_payment_is_traced_by_id_or_key(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """Both give the same: both sides' messages, keys and postings, as a document or as a table."""
    key = uuid4().hex
    sent = (await town.pay(wallet, payer, payee, 12, key=key)).json
    refund = await town.send(merchant, "POST", f"/v1/payments/{sent['id']}/refund", key=uuid4().hex)
    said = await trace(town, sent["id"], "--json")
    assert said.code == 0, said
    document = said.document
    assert (document["payment"], document["is_complete"]) == (sent["id"], True)
    key_ids = [entry["key_id"] for entry in document["entries"] if "key_id" in entry]
    assert key_ids == [wallet.key.key_id, merchant.key.key_id]
    accounts = [entry["account"] for entry in document["entries"] if entry["what"] == "debited"]
    assert accounts == [payer, payee]
    assert (await trace(town, key, "--json")).document == document
    assert (await trace(town, refund.json["id"], "--json")).document == document
    lines = (await trace(town, key)).out.splitlines()
    assert len(lines) == 1 + len(document["entries"])
    assert all(word in lines[0] for word in ("at", "what", "id", "facts"))
    assert f"key_id={wallet.key.key_id}" in lines[1]


async def test_a_key_that_is_a_uuid_is_still_a_key(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """What is no payment's id is looked for among the keys."""
    key = str(uuid4())
    sent = (await town.pay(wallet, payer, payee, 1, key=key)).json
    assert (await trace(town, key, "--json")).document["payment"] == sent["id"]


async def test_a_key_of_several_participants(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """The line names them; `--participant` says which one is meant."""
    other = await town.member("wallet")
    account = await town.account(other, "wallet", balance=100)
    key = uuid4().hex
    one = (await town.pay(wallet, payer, payee, 1, key=key)).json
    two = (await town.pay(other, account, payee, 1, key=key)).json
    said = await refused(town, key)
    assert all(word in said for word in ("--participant", wallet.id, other.id))
    for member, sent in ((wallet, one), (other, two)):
        said = await trace(town, key, "--participant", member.id, "--json")
        assert said.document["payment"] == sent["id"]
    merchant = await town.member("merchant")
    assert merchant.id in await refused(town, key, "--participant", merchant.id)


async def test_what_the_operator_did_is_traced(town: Town, payee: str) -> None:
    """An issue has no message of a participant: a decision and its postings."""
    issued = await town.operator.issue(UUID(payee), 40, reason="test")
    entries = (await trace(town, issued, "--json")).document["entries"]
    assert [entry["what"] for entry in entries] == ["received", "decided", "debited", "credited"]
    assert entries[0]["participant"] == "switch"
    assert "key_id" not in entries[0]


async def test_a_reversal_stands_in_the_timeline_of_its_payment(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """With its own decision and postings, which go the other way."""
    sent = (await town.pay(wallet, payer, payee, 7)).json
    reversal, outcome = await town.operator.reverse(UUID(sent["id"]), reason="test")
    assert outcome == "approved"
    entries = (await trace(town, sent["id"], "--json")).document["entries"]
    decided = [(entry["id"], entry["type"]) for entry in entries if entry["what"] == "decided"]
    assert decided == [(sent["id"], "transfer"), (str(reversal), "reversal")]
    [debited] = [
        entry for entry in entries if entry["what"] == "debited" and entry["id"] == str(reversal)
    ]
    assert debited["account"] == payee


async def test_nothing_to_trace(town: Town, wallet: Member) -> None:
    """An id or key that nobody used, and a key that was spent on an account, are said so."""
    assert NOBODY in await refused(town, NOBODY)
    assert "nothing was decided" in await refused(town, uuid4().hex)
    key = uuid4().hex
    content = {"currency": "CNY", "kind": "wallet"}
    await town.send(wallet, "POST", "/v1/accounts", content=content, key=key)
    assert "something other than a payment" in await refused(town, key)
