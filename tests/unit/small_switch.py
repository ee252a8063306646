"""A switch of a hundred lines that misbehaves on demand: it checks, decides, signs, and fails.

It speaks real HTTP on loopback and uses the real signatures, so that the client's way through lost
answers, forgeries and full queues can be tested one failure at a time. It decides every payment
the same way and keeps what it decided by key, as the switch does.
"""

import asyncio
import json
from collections import deque
from typing import Self
from urllib.parse import parse_qs

from aiohttp import web

from switch import keyfile
from switch.clock import SYSTEM_CLOCK
from switch.errors import PROBLEMS, Problem
from switch.keyfile import PublicKey
from switch.signature import (
    Candidate,
    find_candidate,
    parse_idempotency_key,
    sign_reply,
    signing_key,
    verify,
)

PARTICIPANT_SEED = bytes(range(32))
PARTICIPANT_KEY_ID = "wallet-one/2026-11"
SWITCH_SEED = bytes(range(32, 64))
ACCOUNTS = [f"account-{number}" for number in range(5)]


class SmallSwitch:
    """`script` holds what to do with the next requests; when it is empty, all goes well.

    "drop" and "decide-drop" close the connection before and after the decision, "unsigned" and
    "forged" answer without or with a wrong signature, "silent" never answers, "pending" answers
    that a bank has not decided; a number is answered
    as a signed problem of that status, a name of `PROBLEMS` likewise.

    `item_script` holds, for payments in batches, the names of problems to answer them with next;
    "decide-" before a name decides the payment and answers with the problem all the same.
    """

    def __init__(self, key_name: str = "2026-11") -> None:
        self.script: deque[str] = deque()
        self.item_script: deque[str] = deque()
        self.batches: list[list[str]] = []  # the keys in each batch
        self.attempts: list[tuple[str, str, str]] = []  # method, target and key of each request
        self.decided: dict[str, bytes] = {}
        self.retry_after: str | None = None
        self.rotate(key_name, SWITCH_SEED)
        self.url = ""

    def rotate(self, name: str, seed: bytes) -> None:
        """Sign with another key from now on, and publish only that."""
        self.key = signing_key(f"switch/{name}", seed)
        self.published = {
            self.key.key_id: PublicKey(key_id=self.key.key_id, public_key=keyfile.public_key(seed))
        }

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/.well-known/jwks.json":
            return web.Response(body=keyfile.jwks_document(self.published.values()))
        body = await request.read()
        path, mark, query = request.raw_path.partition("?")
        key = parse_idempotency_key(request.headers.get("Idempotency-Key"))
        self.attempts.append(
            (request.method, request.raw_path, key if isinstance(key, str) else "")
        )
        found = find_candidate(
            method=request.method,
            authority=request.headers["Host"],
            path=path,
            query=query if mark else None,
            headers=request.headers,
            has_body=bool(body),
            is_known_key={PARTICIPANT_KEY_ID}.__contains__,
        )
        if isinstance(found, Problem):
            return _refusal(found)
        assert verify(found, keyfile.public_key(PARTICIPANT_SEED)), "the client signs rightly"
        todo = self.script.popleft() if self.script else "answer"
        return await self._act(todo, request, found, body)

    async def _act(
        self, todo: str, request: web.BaseRequest, found: Candidate, body: bytes
    ) -> web.StreamResponse:
        if todo == "silent":
            await asyncio.sleep(60)
        if todo == "drop":
            return _dropped(request)
        if todo == "unsigned":
            return web.Response(status=502, text="<html>bad gateway</html>")
        if todo in PROBLEMS:
            return self._signed(found, PROBLEMS[todo][0], _problem_body(todo))
        if todo == "pending":
            key = str(parse_idempotency_key(request.headers["Idempotency-Key"]))
            made = _payment(key, body, request.path) | {"status": "pending"}
            return self._signed(found, 202, json.dumps(made).encode())
        status, answer = self._decide(request, body)
        if todo == "decide-drop":
            return _dropped(request)
        if todo == "unknown-body":
            answer = b"{}"
        response = self._signed(found, status, answer)
        if todo == "forged":
            response.body = answer.replace(b"CNY", b"EUR")
        return response

    def _decide(self, request: web.BaseRequest, body: bytes) -> tuple[int, bytes]:
        if request.method == "GET":
            return self._look_up(request)
        if request.path == "/v1/payments/batch":
            return 200, self._batch(body)
        key = str(parse_idempotency_key(request.headers["Idempotency-Key"]))
        if key in self.decided:
            return 200, self.decided[key]
        operation = request.path.rsplit("/", 1)[1]
        answers = {"payments": _payment, "accounts": _account}
        answer = answers.get(operation, _operation)(key, body, request.path)
        self.decided[key] = json.dumps(answer).encode()
        return 201, self.decided[key]

    def _batch(self, body: bytes) -> bytes:
        payments = json.loads(body)["payments"]
        self.batches.append([one["idempotency_key"] for one in payments])
        answers = [self._item(one["idempotency_key"], one["payment"]) for one in payments]
        return json.dumps({"answers": answers}).encode()

    def _item(self, key: str, content: dict[str, object]) -> dict[str, object]:
        todo = self.item_script.popleft() if self.item_script else ""
        is_new = key not in self.decided
        if is_new and (not todo or todo.startswith("decide-")):
            made = _payment(key, json.dumps(content).encode(), "/v1/payments")
            self.decided[key] = json.dumps(made).encode()
        answer: dict[str, object] = {"idempotency_key": key, "replayed": False}
        name = todo.removeprefix("decide-")
        if name:
            problem = json.loads(_problem_body(name))
            return answer | {"status": PROBLEMS[name][0], "body": problem}
        decision = json.loads(self.decided[key])
        return answer | {
            "status": 201 if is_new else 200,
            "replayed": not is_new,
            "body": decision,
        }

    def _look_up(self, request: web.BaseRequest) -> tuple[int, bytes]:
        query = parse_qs(request.query_string)
        if "idempotency_key" in query:
            decided = self.decided.get(query["idempotency_key"][0])
            return (200, decided) if decided else (404, _problem_body("not-found"))
        if request.path == "/v1/accounts":
            after = query.get("after", [""])[0]
            rest = [name for name in ACCOUNTS if name > after]
            rows = [_account("", b"{}", name) for name in rest[:2]]
            page = {
                "data": rows,
                "has_more": len(rest) > 2,
                "next_after": rest[1] if len(rest) > 2 else None,
            }
            return 200, json.dumps(page).encode()
        return 200, json.dumps(_account("", b"{}", request.path.rsplit("/", 1)[1])).encode()

    def _signed(self, found: Candidate, status: int, body: bytes) -> web.Response:
        headers = sign_reply(
            self.key,
            status=status,
            body=body,
            bound=found.bound,
            created=SYSTEM_CLOCK.now_us() // 1_000_000,
        )
        if self.retry_after is not None:
            headers["Retry-After"] = self.retry_after
        return web.Response(status=status, body=body, headers=headers)


def _dropped(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def _refusal(problem: Problem) -> web.Response:
    return web.Response(status=problem.status, body=_problem_body(problem.name, problem.detail))


def _problem_body(name: str, detail: str = "because") -> bytes:
    return json.dumps({"type": f"urn:switch:problem:{name}", "detail": detail}).encode()


def _payment(key: str, body: bytes, path: str) -> dict[str, object]:
    empty = dict.fromkeys(
        (
            "hold_seconds",
            "mandate",
            "request",
            "expires_at",
            "reference",
            "payee_reference",
            "description",
            "metadata",
            "reason",
            "hold_expires_at",
        )
    )
    amounts = dict.fromkeys(
        ("amount_held", "amount_captured", "amount_voided", "amount_refunded"), 0
    )
    made = {
        "id": f"payment-of-{key}",
        "idempotency_key": key,
        "request_digest": "sha-256=::",
        "participant": "wallet-one",
        "capture": True,
        "status": "completed",
        "created_at": "2026-11-01T08:00:00.000000Z",
    }
    given: dict[str, object] = json.loads(body)
    return empty | amounts | made | given


def _account(key: str, body: bytes, path: str) -> dict[str, object]:
    given: dict[str, object] = json.loads(body)
    return {
        "id": path.rsplit("/", 1)[-1],
        "participant": "wallet-one",
        "kind": "wallet",
        "currency": "CNY",
        "status": "open",
        "frozen_by": None,
        "reference": None,
        "tier": None,
        "balance": 0,
        "held": 0,
        "available": 0,
        "floor": 0,
        "limits": dict.fromkeys(
            (
                "payment_limit",
                "daily_limit",
                "daily_left",
                "yearly_limit",
                "yearly_left",
                "balance_limit",
            ),
            None,
        ),
        "created_at": "2026-11-01T08:00:00.000000Z",
    } | given


def _operation(key: str, body: bytes, path: str) -> dict[str, object]:
    *_, account, operation = path.split("/")
    return {
        "account": account,
        "operation": operation,
        "status": "frozen",
        "frozen_by": "participant",
        "reason": None,
        "idempotency_key": key,
        "decided_at": "2026-11-01T08:00:00.000000Z",
    }
