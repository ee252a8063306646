"""After the load: what is in doubt is sent again, the same bytes under the same key, until decided.

A lost answer and a `504` say nothing about the decision, and a `202` says that there is none yet;
only the same message again tells. Each answer is verified and written down as users write it down.
"""

import asyncio
import json
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from loadtests.city import City, Holder
from loadtests.record import Sent, read_record
from switch.clock import SYSTEM_CLOCK
from switch.keyfile import parse_jwks, read_private_key
from switch.signature import SigningKey, signing_key
from switch.signing import check_reply, sign_request

SENDERS = 16
ATTEMPT_S_MAX = 15.0
SETTLE_S_MAX = 180.0  # a server that recovers, thousands of messages, a bank that comes back
PAUSE_S = 0.2
DECIDED = (200, 201)
UNDECIDED = (202, 429, 503, 504)  # sent again


class Settling:
    """Sends what is in doubt, on some connections side by side."""

    def __init__(self, city: City, folder: Path) -> None:
        self.faults: list[str] = []
        self._authority = urlsplit(city.url).netloc
        self._url = city.url
        self._keys = parse_jwks(city.switch_keys.encode())
        self._signers = {holder.id: _signer(holder) for holder in city.holders}
        self._record = read_record(folder)
        self._waiting = sorted(self._record.in_doubt)
        self._folder = folder

    async def run(self) -> int:
        """Until all is decided, or the time for that is over; how many it was."""
        count, lines = len(self._waiting), []

        async def send_some(session: aiohttp.ClientSession) -> None:
            while self._waiting:
                key = self._waiting.pop()
                body = await self._attempt(session, key, self._record.sent[key])
                if body is None:
                    self._waiting.append(key)
                    await asyncio.sleep(PAUSE_S)
                elif body:
                    lines.append(json.dumps({"answered": key, "body": body}))

        timeout = aiohttp.ClientTimeout(total=ATTEMPT_S_MAX)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                asyncio.timeout(SETTLE_S_MAX),
                asyncio.TaskGroup() as group,
            ):
                for _ in range(SENDERS):
                    group.create_task(send_some(session))
        except TimeoutError:
            self.faults.append(f"{len(self._waiting)} messages are in doubt for too long")
        text = "".join(f"{line}\n" for line in lines)
        await asyncio.to_thread((self._folder / "settled.jsonl").write_text, text)
        return count

    async def _attempt(self, session: aiohttp.ClientSession, key: str, sent: Sent) -> str | None:
        """The decision; None when it is to be asked for again, empty when that would not help."""
        now_us = SYSTEM_CLOCK.now_us()
        body = sent.body.encode()
        signed = sign_request(
            self._signers[sent.by],
            method="POST",
            authority=self._authority,
            path=sent.path,
            body=body,
            idempotency_key=key,
            created=now_us // 1_000_000,
        )
        headers = {"Content-Type": "application/json", **signed.headers}
        try:
            async with session.post(self._url + sent.path, data=body, headers=headers) as answer:
                content, fields, status = await answer.read(), answer.headers, answer.status
        except (aiohttp.ClientError, TimeoutError):
            return None
        fault = check_reply(
            status=status,
            headers=fields,
            body=content,
            bound=signed.bound,
            keys=self._keys,
            now_us=SYSTEM_CLOCK.now_us(),
        )
        if status in UNDECIDED:
            return None
        if fault is None and status in DECIDED:
            return content.decode()
        self.faults.append(f"{key} sent again was answered {status}: {fault or content.decode()}")
        return ""


def _signer(holder: Holder) -> SigningKey:
    return signing_key(holder.key_id, read_private_key(Path(holder.key_file)))
