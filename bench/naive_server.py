"""The naive way, as a server: one transaction a request, everything in its obvious place.

The same checks as the switch makes of a plain payment, in the same order, with the switch's own
code for signature, digest, message and answer, so that the two differ in one thing: this one claims
the key, locks both accounts, moves the money and records it in a transaction of each request's own.
It keeps no events, statements or timelines, has no index beyond its keys, and does no work beside
requests, all in its favour. Nothing is made
slow on purpose: connections are pooled, statements prepared, the event loop is uvloop's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import asyncpg
from aiohttp import web
from msgspec.structs import replace

from switch import db, limits, reply
from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.components import BoundRequest
from switch.digest import check_digest
from switch.errors import Problem
from switch.ledger import Order, decided_payment, new_id
from switch.message import PaymentRequest, decode_payment
from switch.outcome import Outcome
from switch.requests import KEY_REUSED
from switch.signature import (
    SigningKey,
    check_age,
    find_candidate,
    parse_idempotency_key,
    signing_key,
    verify,
)

PATH = "/v1/payments"
POOL_SIZE = 16  # connections of one server

Row = Mapping[str, Any]

TABLES = """
CREATE TABLE account (
    id uuid PRIMARY KEY,
    participant_no integer NOT NULL,
    currency text NOT NULL,
    status text NOT NULL DEFAULT 'open',
    balance bigint NOT NULL,
    floor bigint NOT NULL DEFAULT 0,
    payment_limit bigint NOT NULL,
    daily_limit bigint NOT NULL,
    balance_limit bigint,
    spent_on date,
    spent_that_day bigint NOT NULL DEFAULT 0,
    CHECK (balance >= floor));
CREATE TABLE payment (
    id uuid PRIMARY KEY,
    participant_no integer NOT NULL,
    key text NOT NULL,
    digest bytea NOT NULL,
    type text NOT NULL,
    payer uuid NOT NULL,
    payee uuid NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    outcome smallint NOT NULL,
    created_at timestamptz NOT NULL);
CREATE TABLE key_claim (
    participant_no integer NOT NULL,
    key text NOT NULL,
    payment uuid NOT NULL,
    PRIMARY KEY (participant_no, key));
"""
CLAIM = """
INSERT INTO key_claim (participant_no, key, payment) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING RETURNING payment
"""
STORED = """
SELECT p.id, p.digest, p.outcome, p.created_at
  FROM key_claim c JOIN payment p ON p.id = c.payment
 WHERE c.participant_no = $1 AND c.key = $2
"""
LOCK = """
SELECT id, participant_no, currency, status, balance, floor, payment_limit, daily_limit,
       balance_limit, spent_on, spent_that_day
  FROM account WHERE id IN ($1, $2) ORDER BY id FOR NO KEY UPDATE
"""
DEBIT = """
UPDATE account SET balance = balance - $2, spent_on = $3,
       spent_that_day = CASE WHEN spent_on = $3 THEN spent_that_day ELSE 0 END + $2
 WHERE id = $1
"""
CREDIT = "UPDATE account SET balance = balance + $2 WHERE id = $1"
RECORD = """
INSERT INTO payment (id, participant_no, key, digest, type, payer, payee, amount, currency,
                     outcome, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A participant: its name, its number and the public half of its key."""

    id: str
    number: int
    public_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a server needs to know."""

    url: str  # of its database
    senders: dict[str, Sender]  # by key id
    key_id: str  # of the key that it signs with
    seed: bytes


async def application(setting: Setting) -> web.Application:
    """The server, with its pool of connections."""
    pool = await db.pool(setting.url, application_name="bench naive", size=POOL_SIZE)
    key = signing_key(setting.key_id, setting.seed)
    made = web.Application(client_max_size=limits.BODY_BYTES_MAX)
    made.router.add_post(PATH, partial(pay, pool, setting.senders, key))
    return made


async def pay(
    pool: "asyncpg.Pool[asyncpg.Record]",
    senders: dict[str, Sender],
    key: SigningKey,
    request: web.Request,
) -> web.Response:
    """One payment, from its bytes to its signed answer."""
    admitted = await _admitted(senders, request)
    if isinstance(admitted, Problem):
        return _response(reply.refused(admitted))
    bound, order = admitted
    decided = order if isinstance(order, Problem) else await decide(pool, order)
    answer = reply.refused(decided) if isinstance(decided, Problem) else decided
    created = SYSTEM_CLOCK.now_us() // 1_000_000
    return _response(reply.signed(answer, key=key, bound=bound, created=created))


def _response(answer: reply.Answer) -> web.Response:
    fields = {"Content-Type": answer.media_type, **answer.fields}
    return web.Response(status=answer.status, body=answer.body, headers=fields)


async def _admitted(
    senders: dict[str, Sender], request: web.Request
) -> tuple[BoundRequest, Order | Problem] | Problem:
    """Who is verified: what the answer is bound to, and what is to be decided."""
    candidate = find_candidate(
        method=request.method,
        authority=request.host,
        path=request.path,
        query=None,
        headers=request.headers,
        has_body=True,
        is_known_key=senders.__contains__,
        scheme="http",
    )
    if isinstance(candidate, Problem):
        return candidate
    stale = check_age(
        candidate,
        now_us=SYSTEM_CLOCK.now_us(),
        age_s_max=limits.SIGNATURE_AGE_S_MAX,
        ahead_s_max=limits.SIGNATURE_AHEAD_S_MAX,
    )
    if stale is not None:
        return stale
    body = await request.read()
    digest = check_digest(candidate.bound.content_digest, body)
    if isinstance(digest, Problem):
        return digest
    sender = senders[candidate.key_id]
    if not verify(candidate, sender.public_key):
        return Problem(name="signature-invalid", detail="the signature is not by this key")
    return candidate.bound, _order(sender, candidate.bound, body, digest)


def _order(sender: Sender, bound: BoundRequest, body: bytes, digest: bytes) -> Order | Problem:
    key = parse_idempotency_key(bound.idempotency_key)
    if isinstance(key, Problem):
        return key
    payment = decode_payment(body)
    if isinstance(payment, Problem):
        return payment
    return Order(
        participant_no=sender.number,
        participant=sender.id,
        key=key,
        digest=digest,
        payment_id=new_id(SYSTEM_CLOCK.now_us()),
        request=payment,
    )


async def decide(pool: "asyncpg.Pool[asyncpg.Record]", order: Order) -> reply.Answer | Problem:
    """Claim, lock, check, move and record: one transaction."""
    asked = order.request
    decided_at = SYSTEM_CLOCK.now()
    async with pool.acquire() as connection, connection.transaction():
        claim = (order.participant_no, order.key, order.payment_id)
        if await connection.fetchval(CLAIM, *claim) is None:
            return repeated(order, await connection.fetchrow(STORED, *claim[:2]))
        rows = await connection.fetch(LOCK, asked.payer, asked.payee)
        accounts = {row["id"]: row for row in rows}
        payer, payee = accounts.get(asked.payer), accounts.get(asked.payee)
        outcome = judge(order, payer, payee, decided_at)
        if outcome is Outcome.APPROVED:
            await connection.execute(DEBIT, asked.payer, asked.amount, decided_at.date())
            await connection.execute(CREDIT, asked.payee, asked.amount)
        await connection.execute(
            RECORD,
            *(order.payment_id, order.participant_no, order.key, order.digest, asked.type),
            *(asked.payer, asked.payee, asked.amount, asked.currency, outcome.value, decided_at),
        )
    return _decision(order, outcome, decided_at, replayed=False)


def repeated(order: Order, stored: asyncpg.Record) -> reply.Answer | Problem:
    """The decision that the key was spent on, if it was spent on this very message."""
    if stored["digest"] != order.digest:
        return KEY_REUSED
    known = replace(order, payment_id=stored["id"])
    return _decision(known, Outcome(stored["outcome"]), stored["created_at"], replayed=True)


def _decision(
    order: Order, outcome: Outcome, decided_at: datetime, *, replayed: bool
) -> reply.Answer:
    payment = decided_payment(order, outcome, decided_at, rfc3339(decided_at))
    return reply.decided(payment, replayed=replayed)


def judge(order: Order, payer: Row | None, payee: Row | None, at: datetime) -> Outcome:
    """Approved, or the first reason to decline, in the switch's order."""
    asked = order.request
    if asked.expires_at is not None and asked.expires_at <= at:
        return Outcome.EXPIRED
    if payer is None or payer["participant_no"] != order.participant_no:
        return Outcome.NOT_PERMITTED
    if payee is None:
        return Outcome.PAYEE_NOT_FOUND
    spent = payer["spent_that_day"] if payer["spent_on"] == at.date() else 0
    reasons = (
        (asked.payer == asked.payee, Outcome.SAME_ACCOUNT),
        (not payer["currency"] == payee["currency"] == asked.currency, Outcome.CURRENCY_MISMATCH),
        (payer["status"] == "frozen", Outcome.PAYER_FROZEN),
        (payer["status"] == "closed", Outcome.PAYER_CLOSED),
        (payee["status"] == "closed", Outcome.PAYEE_CLOSED),
        (asked.amount > payer["payment_limit"], Outcome.PAYMENT_LIMIT_EXCEEDED),
        (spent + asked.amount > payer["daily_limit"], Outcome.DAILY_LIMIT_EXCEEDED),
        (is_over_limit(payee, asked), Outcome.PAYEE_BALANCE_LIMIT_EXCEEDED),
        (payer["balance"] - asked.amount < payer["floor"], Outcome.INSUFFICIENT_FUNDS),
    )
    return next((reason for applies, reason in reasons if applies), Outcome.APPROVED)


def is_over_limit(payee: Row, asked: PaymentRequest) -> bool:
    """Whether the credit would raise the payee over what it may have."""
    limit = payee["balance_limit"]
    return limit is not None and payee["balance"] + asked.amount > limit
