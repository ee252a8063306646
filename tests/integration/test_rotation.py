"""The switch's own key is rotated while everybody pays, on two workers, and nobody notices.

Every request is sent over a connection of its own, so that the kernel spreads all of them over both
workers: one may answer with a key that the other has to have published before.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from yarl import URL

from switch import keyfile
from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.keyfile import PublicKey
from switch.signature import SigningKey, signing_key
from switch.signing import check_reply, sign_request
from tests.integration import running
from tests.integration.running import CURRENCY, Payer, Running, paying, serving, switch
from tests.integration.test_http_receipts import MEMBERS

pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")

PAYERS = 8  # at a time
ASKED = 40  # connections, so that both workers are among those who answer
SIGNED_BY_EACH = 60  # answers by the old key, and as many by the new one
ROTATIONS, ROTATIONS_LONG = 1, 5
LEAD_S_MIN = 6
LEAD_S_MAX = 48


@dataclass(slots=True, kw_only=True)
class Traffic:
    """Payments one after another, each checked with what was published before it was sent."""

    url: str
    payer: Payer
    key: SigningKey
    session: aiohttp.ClientSession
    signed_by: list[str] = field(default_factory=list)  # the key of each answer
    paid: list[dict[str, Any]] = field(default_factory=list)
    under_way: Counter[str] = field(default_factory=Counter)  # payments, by the key that signed

    async def published(self) -> bytes:
        """The switch's keys, as one of the workers publishes them now."""
        async with self.session.get(f"{self.url}/.well-known/jwks.json") as answer:
            assert answer.status == 200
            return await answer.read()

    async def send(self, method: str, path: str, content: Any = None) -> tuple[int, bytes]:
        """One signed request; its answer must verify with keys that were read before."""
        keys = keyfile.parse_jwks(await self.published())
        body = None if content is None else json.dumps(content).encode()
        request = sign_request(
            self.key,
            method=method,
            authority=URL(self.url).authority,
            path=path,
            body=body,
            idempotency_key=None if body is None else uuid4().hex,
            created=SYSTEM_CLOCK.now_us() // 1_000_000,
        )
        headers = request.headers | ({} if body is None else {"Content-Type": "application/json"})
        async with self.session.request(
            method, f"{self.url}{path}", headers=headers, data=body
        ) as answer:
            got = await answer.read()
        if answer.status == 401 and answer.headers.get("Signature") is None:
            return 401, got
        fault = check_reply(
            status=answer.status,
            headers=answer.headers,
            body=got,
            bound=request.bound,
            keys=keys,
            now_us=SYSTEM_CLOCK.now_us(),
        )
        assert fault is None, (fault, answer.status, got)
        self.signed_by.append(answer.headers["Signature-Input"].split('keyid="')[1].split('"')[0])
        return answer.status, got

    async def is_known(self) -> bool:
        """Whether every worker knows the payer's key."""
        asked = [self.send("GET", "/v1/accounts") for _ in range(ASKED)]
        return all(status == 200 for status, _ in await asyncio.gather(*asked))

    async def pay(self) -> None:
        """Pay for as long as this task is let."""
        while True:
            content = {
                "type": "purchase",
                "payer": self.payer.wallet,
                "payee": self.payer.shop,
                "amount": 1,
                "currency": CURRENCY,
            }
            key_id = self.key.key_id
            self.under_way[key_id] += 1
            status, body = await self.send("POST", "/v1/payments", content)
            self.under_way[key_id] -= 1
            assert status == 201, body
            self.paid.append(json.loads(body))

    async def receipt(self, payment_id: str) -> str:
        """A receipt."""
        status, body = await self.send("GET", f"/v1/payments/{payment_id}/receipt")
        assert status == 200, body
        return body.decode()

    async def answers_by(self, key_id: str) -> None:
        """Wait for enough answers that this key signed."""
        await running.until(
            lambda: self.signed_by.count(key_id) >= SIGNED_BY_EACH, f"{key_id} signs"
        )


@asynccontextmanager
async def traffic(url: str, payer: Payer) -> AsyncIterator[Traffic]:
    """Payers who pay while the block lasts; whoever fails, fails the test."""
    key = signing_key(payer.key_id, keyfile.read_private_key(payer.key_file))
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        made = Traffic(url=url, payer=payer, key=key, session=session)
        await running.until(made.is_known, "the payer's key is known")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(made.pay()) for _ in range(PAYERS)]
            yield made
            for task in tasks:
                task.cancel()


async def none_refused(server: Running, made: Traffic) -> None:
    """By the workers' own count, every attempt to pay was decided, and so was all that was heard.

    To be asked when the traffic is over; what it broke off at its end may have been decided too.
    """

    async def answered() -> dict[str, float]:
        return {
            name: count
            for name, count in (await server.metrics()).items()
            if name.startswith("switch_requests_total") and 'endpoint="decide_payment"' in name
        }

    async def all_counted() -> bool:
        return sum((await answered()).values()) >= len(made.paid)

    await running.until(all_counted, "the workers have counted")
    counts = await answered()
    assert all('status="201"' in name for name, count in counts.items() if count), counts
    print(f"{len(made.paid)} payments heard of, {sum(counts.values()):g} decided, none refused")


async def rotate(made: Traffic, data_dir: Path) -> PublicKey:
    """A new key that both workers publish before it signs, however slow the machine is."""
    lead_s = LEAD_S_MIN
    while lead_s <= LEAD_S_MAX:
        begin = SYSTEM_CLOCK.now() + timedelta(seconds=lead_s)
        said = await switch(
            *("key", "rotate", "--json", "--data-dir", data_dir, "--not-before", rfc3339(begin))
        )
        assert said.code == 0, said
        key_id = said.document["key_id"]
        assert datetime.fromisoformat(said.document["not_before"]) == begin
        documents = await asyncio.gather(*(made.published() for _ in range(ASKED)))
        everywhere = all(key_id in keyfile.parse_jwks(document) for document in documents)
        if everywhere and SYSTEM_CLOCK.now() < begin:
            return keyfile.parse_jwks(documents[0])[key_id]
        lead_s *= 2
    raise AssertionError(f"the new key was not published everywhere within {LEAD_S_MAX} s")


async def test_a_rotation_refuses_no_payment_and_leaves_no_answer_unproved(
    tmp_path: Path, long_run: bool
) -> None:
    """Both workers pay on, every answer verifies by the keys published then, receipts for ever."""
    data_dir = tmp_path / "data"
    async with serving(tmp_path, "--data-dir", data_dir, "--workers", 2) as server:
        admin_url = running.embedded_url(data_dir)
        async with paying(server.url, admin_url, tmp_path) as payer:
            async with traffic(server.url, payer) as made:
                await payer.pay()  # the client knows the keys of now
                await running.until(lambda: made.signed_by, "the first answer")
                old = made.signed_by[0]
                await made.answers_by(old)
                payment = made.paid[0]
                before = await made.receipt(payment["id"])
                for _ in range(ROTATIONS_LONG if long_run else ROTATIONS):
                    new = await rotate(made, data_dir)
                    assert new.key_id not in made.signed_by
                    await made.answers_by(new.key_id)
                after = await made.receipt(payment["id"])
                published = json.loads(await made.published())
            await none_refused(server, made)
            by_client = await payer.client.receipt(payment["id"])  # it learns of the new key
            assert by_client.split(".")[0] == after.split(".")[0]
        await check_receipts(tmp_path, published, payment, {old: before, new.key_id: after})
        assert await server.end() == 0


async def check_receipts(
    folder: Path, published: Any, payment: dict[str, Any], receipts: dict[str, str]
) -> None:
    """One of each key, by another library and by the command, with the keys of after."""
    (folder / "jwks.json").write_text(json.dumps(published))
    keys = KeySet.import_key_set(published)
    for key_id, token in receipts.items():
        found = jwt.decode(token, keys, algorithms=["EdDSA"])
        assert found.header["kid"] == key_id
        assert {name: found.claims[name] for name in MEMBERS} == {
            name: payment[name] for name in MEMBERS
        }
        (folder / "receipt").write_text(token)
        said = await switch(
            *("receipt", "verify", folder / "receipt", "--jwks", folder / "jwks.json", "--json")
        )
        assert said.code == 0, said
        assert said.document["receipt"]["id"] == payment["id"]
