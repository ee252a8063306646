"""A wallet under locust: buys, transfers, repeats itself, looks at its account.

Every request is signed by its provider's key, every answer must be signed by the switch to that
very request, every repeat must be the same bytes. Each payment that was answered is written down
for the audit, and each that was sent, because one without an answer may have been decided too.
Run by `python -m loadtests`, which says where everything is in the environment.
"""

import itertools
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from locust import FastHttpUser, events, task
from locust.env import Environment
from multidict import CIMultiDict

from loadtests.city import PLAN, Holder, Plan
from switch.demo_city import CURRENCY
from switch.demo_traffic import ORDINARY
from switch.keyfile import parse_jwks, read_private_key
from switch.signature import signing_key
from switch.signing import SignedRequest, check_reply, sign_request

ANSWER_WAIT_S = 15.0

Judge = Callable[[Any], str | None]  # what is wrong with a trusted answer, if anything


class Ground:
    """What all users of this process share, over all runs that locust's page may start."""

    def __init__(self) -> None:
        self.plan = msgspec.json.decode(Path(os.environ[PLAN]).read_bytes(), type=Plan)
        self.city = self.plan.city
        self.authority = urlsplit(self.city.url).netloc
        self.switch_keys = parse_jwks(self.city.switch_keys.encode())
        self.keys = {
            holder.id: signing_key(holder.key_id, read_private_key(Path(holder.key_file)))
            for holder in self.city.providers
        }
        self.record = Path(self.plan.record).open("a", encoding="utf-8")  # noqa: SIM115  until the end
        self._numbers = itertools.count(1)

    def next_key(self) -> str:
        """An idempotency key that the audit knows for one of this run."""
        return f"load-{self.plan.run}-{next(self._numbers)}"

    def note(self, **fields: str) -> None:
        """One line for the audit."""
        self.record.write(json.dumps(fields) + "\n")


class Wallet(FastHttpUser):
    """One citizen: holds one wallet, knows the shops and the other wallets."""

    network_timeout = connection_timeout = ANSWER_WAIT_S
    ground: Ground

    def wait_time(self) -> float:
        """How long the citizen thinks before the next thing."""
        return random.uniform(0, 2 * self.ground.plan.think_s)

    def on_start(self) -> None:
        """Choose a wallet."""
        self.holder: Holder = random.choice(self.ground.city.providers)
        self.account = random.choice(self.holder.accounts)
        self.latest: tuple[str, bytes, bytes] | None = None  # key, request, answer

    @task(10)
    def buy(self) -> None:
        """A purchase in a shop."""
        self._pay("purchase", random.choice(self.ground.city.payees), random.randint(1_00, 20_00))

    @task(4)
    def give(self) -> None:
        """A transfer to somebody else's wallet."""
        payee = self.account
        while payee == self.account:
            payee = random.choice(random.choice(self.ground.city.providers).accounts)
        self._pay("transfer", payee, random.randint(1_00, 10_00))

    @task(1)
    def repeat(self) -> None:
        """The latest payment again: the same bytes, whatever has happened since."""
        if self.latest is None:
            return
        key, body, first = self.latest

        def judge(answer: Any) -> str | None:
            same = answer.status_code == 200 and answer.content == first
            return None if same else f"a repeat was answered {answer.status_code}: {answer.text}"

        self._send("POST", "/v1/payments", judge, body=body, key=key, name="repeat")

    @task(2)
    def look(self) -> None:
        """The balance."""

        def judge(answer: Any) -> str | None:
            return None if answer.status_code == 200 else f"a look-up got {answer.status_code}"

        self._send("GET", f"/v1/accounts/{self.account}", judge, name="account")

    def _pay(self, kind: str, payee: str, amount: int) -> None:
        fields = {"type": kind, "payer": self.account, "payee": payee, "amount": amount}
        body = json.dumps({**fields, "currency": CURRENCY}).encode()
        key = self.ground.next_key()

        def judge(answer: Any) -> str | None:
            if answer.status_code not in (200, 201):  # 200: sent again on a new connection
                return f"a payment was answered {answer.status_code}: {answer.text}"
            self.ground.note(answered=key, body=answer.text)
            self.latest = (key, body, answer.content)
            outcome = json.loads(answer.content)["reason"] or "approved"
            return None if outcome in ORDINARY else f"a payment was answered {outcome}"

        self.ground.note(sent=key)
        self._send("POST", "/v1/payments", judge, body=body, key=key, name=kind)

    def _send(
        self,
        method: str,
        path: str,
        judge: Judge,
        *,
        name: str,
        body: bytes | None = None,
        key: str | None = None,
    ) -> None:
        """Send one signed request; an answer is judged only if the switch signed it."""
        signed = sign_request(
            self.ground.keys[self.holder.id],
            method=method,
            authority=self.ground.authority,
            path=path,
            body=body,
            idempotency_key=key,
            created=int(time.time()),
        )
        headers = {"Accept-Encoding": "identity", **signed.headers}
        if body is not None:
            headers["Content-Type"] = "application/json"
        with self.client.request(
            method,
            path,
            data=body,  # type: ignore[arg-type]  # bytes are sent as they are
            headers=headers,
            name=name,
            catch_response=True,
        ) as answer:
            fault = self._distrust(answer, signed) or judge(answer)
            if fault is not None:
                answer.failure(fault)

    def _distrust(self, answer: Any, signed: SignedRequest) -> str | None:
        """Why an answer is not to be trusted, if so."""
        if not answer.status_code:
            return f"no answer: {answer.error}"
        fault = check_reply(
            status=answer.status_code,
            headers=CIMultiDict(answer.headers.items()),
            body=answer.content or b"",
            bound=signed.bound,
            keys=self.ground.switch_keys,
            now_us=time.time_ns() // 1000,
        )
        return None if fault is None else f"{answer.status_code}: {fault.detail}"


@events.init.add_listener  # type: ignore[untyped-decorator]
def _prepare(environment: Environment, **_: Any) -> None:
    Wallet.ground = Ground()


@events.quit.add_listener  # type: ignore[untyped-decorator]
def _finish(exit_code: int, **_: Any) -> None:
    Wallet.ground.record.close()


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def _judge(environment: Environment, **_: Any) -> None:
    """The thresholds decide the exit code."""
    total = environment.stats.total
    plan = Wallet.ground.plan
    p95_ms = total.get_response_time_percentile(0.95) or 0
    faults = []
    if total.num_requests == 0:
        faults.append("nothing was sent")
    if total.num_failures > plan.failures_max:
        faults.append(f"{total.num_failures} requests failed")
    if p95_ms > plan.p95_ms_max:
        faults.append(f"1 in 20 answers took longer than {p95_ms:g} ms")
    for fault in faults:
        print(f"threshold missed: {fault}")
    environment.process_exit_code = 1 if faults else 0
