"""Payouts to phone numbers: looked up when a part comes, kept nowhere."""

from uuid import uuid4

import pytest
import pytest_asyncio

from switch.services import SERVICES
from tests.integration.town import Reply
from tests.services.disbursements.office import Office, open_office

NO_BOOK = not any(service.phone_book for service in SERVICES)
needs_book = pytest.mark.skipif(NO_BOOK, reason="no service keeps phone numbers")


async def registered(office: Office, phone: str, **more: str) -> str:
    """A wallet with a number."""
    asked = {"currency": "CNY", "class": 3, "phone": phone} | more
    reply = await office.town.send(
        office.wallet, "POST", "/v1/wallets", content=asked, key=uuid4().hex
    )
    assert reply.status == 201, reply.body
    return str(reply.json["id"])


@pytest_asyncio.fixture(loop_scope="session")
async def classes(office: Office) -> None:
    """The tier of wallets that have told their number."""
    await office.town.operator.set_tier("wallet-class-3", currency="CNY")


@needs_book
async def test_numbers_are_paid_and_kept_nowhere(office: Office, classes: None) -> None:
    """However they are written; a repeat is answered the same when the number has moved."""
    first, second = "+86 139 1000 0001", "+44 20 7946 0018"
    accounts = [await registered(office, first), await registered(office, second)]
    made = (await office.create(3, 30)).json["disbursement"]
    lines = [(1, "+8613910000001", 10, "a"), (2, second, 10, "b")]
    part = await office.add(made, lines, by="phone", key="part")
    assert (part.status, part.json["lines"]) == (201, 2), part.body
    both = f'{{"line":3,"phone":"{first}","amount":10,"reference":"c"}}\n'
    reply = await sent(office, made, both)
    assert reply.status == 201, reply.body
    same = await office.add(made, [(1, accounts[0], 10, "a"), (2, accounts[1], 10, "b")])
    assert (same.status, same.body) == (200, part.body), "the same payouts, named otherwise"
    await office.town.send(
        office.wallet, "POST", f"/v1/wallets/{accounts[0]}/forget", content={}, key=uuid4().hex
    )
    again = await office.add(made, lines, by="phone", key="part")
    assert (again.status, again.body) == (200, part.body)
    await office.act(made, "submit")
    await office.act(made, "approve", office.head)
    assert await office.pay() == 3
    results = await office.results(made)
    assert [one["account"] for one in results] == [accounts[0], accounts[1], accounts[0]]
    assert "139" not in "".join(one["reference"] for one in results)


@needs_book
async def test_numbers_that_name_nobody_are_wrong_lines(office: Office, classes: None) -> None:
    """Unknown, of another currency, closed, no number at all; the part adds nothing."""
    known = "+8613910000101"
    closed = await registered(office, "+8613910000102")
    await office.town.operator.change_account(closed, "close")
    await registered(office, known)
    made = (await office.create(9, 90)).json["disbursement"]
    asked = [known, "+8613910000199", "+8613910000102", "13910000101", "nobody"]
    lines = [(n, phone, 10, f"r{n}") for n, phone in enumerate(asked, start=1)]
    reply = await office.add(made, lines, by="phone")
    assert reply.status == 400
    wrong = reply.json["detail"]
    assert [f"line {n}: the number names no open wallet of CNY" in wrong for n in range(1, 6)] == [
        False, True, True, True, True,
    ]  # fmt: skip
    assert "1391" not in wrong, "a number is never quoted"
    assert (await office.shown(made))["given"] == 0
    twice = [(1, known, 10, "r"), (2, "+86 139-1000-0101", 10, "r")]
    reply = await office.add(made, twice, by="phone")
    assert "line 2: this account and reference were given twice" in reply.json["detail"]


@needs_book
async def test_a_line_names_one_of_both(office: Office) -> None:
    """Not both, not neither."""
    made = (await office.create(1, 5)).json["disbursement"]
    for named in ("", f'"phone":"+8613912345678","account":"{office.pensioners[0]}",'):
        reply = await sent(office, made, f'{{"line":1,{named}"amount":5,"reference":"a"}}\n')
        assert reply.status == 400
        assert "Line 1: Name either an `account` or a `phone`" in reply.json["detail"]


async def test_who_may_not_try_thousands_of_numbers(office: Office) -> None:
    """A merchant names accounts, and everybody where no service keeps numbers."""
    shop = await open_office(office.town, office.wallet, kind="merchant")
    made = (await shop.create(1, 5)).json["disbursement"]
    line = (1, "+8613912345678", 5, "a")
    reply = await shop.add(made, [line], by="phone")
    assert (reply.status, reply.json["field"]) == (400, "phone")
    why = "No phone numbers are known" if NO_BOOK else "Only a `government` or `bank` names"
    assert why in reply.json["detail"]


@needs_book
async def test_a_strangers_draft_tells_nothing(office: Office) -> None:
    """It is not there, whoever the number is of."""
    shop = await open_office(office.town, office.wallet)
    made = (await shop.create(1, 5)).json["disbursement"]
    assert (await office.add(made, [(1, "+8613912345678", 5, "a")], by="phone")).status == 404


async def sent(office: Office, of: str, body: str) -> Reply:
    """A part as NDJSON."""
    return await office.town.send(
        office.clerk, "POST", f"/v1/disbursements/{of}/parts", body=body.encode(), key=uuid4().hex,
        changed={"Content-Type": "application/x-ndjson"},
    )  # fmt: skip
