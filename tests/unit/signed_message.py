"""A request signed by hand, line by line after RFC 9421, so that tests can change any part of it.

Nothing here uses the package's own way of signing: the base is put together from its text.
"""

import base64
import hashlib
from dataclasses import dataclass, field, replace

from multidict import CIMultiDict
from nacl import signing

from switch.errors import Problem
from switch.signature import Candidate, find_candidate

SEED = bytes(range(32))
KEY_ID = "bank-of-qingdao/2026-11"
CREATED = 1_793_520_000
NOW_US = (CREATED + 10) * 1_000_000
AUTHORITY = "127.0.0.1:8080"
BODY = b'{"type":"purchase","amount":1500,"currency":"CNY"}'
REQUIRED = ("@method", "@authority", "@path", "content-digest", "idempotency-key")

PUBLIC_KEY = bytes(signing.SigningKey(SEED).verify_key)


def digest_of(body: bytes, algorithm: str = "sha-256") -> str:
    """One member of a Content-Digest field."""
    digest = hashlib.new(algorithm.replace("-", ""), body).digest()
    return f"{algorithm}=:{base64.b64encode(digest).decode()}:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is signed: `covered` are component names, `lines` further lines of header fields."""

    method: str = "POST"
    authority: str = AUTHORITY
    path: str = "/v1/payments"
    query: str | None = None
    body: bytes = BODY
    key: str | None = '"order-1"'
    covered: tuple[str, ...] = REQUIRED
    label: str = "sig1"
    parameters: str = f';created={CREATED};keyid="{KEY_ID}"'
    lines: tuple[tuple[str, str], ...] = ()
    values: dict[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """The value of a covered component as the signer sees it."""
        known = {
            "@method": self.method,
            "@authority": self.authority,
            "@path": self.path,
            "@query": f"?{self.query or ''}",
            "content-digest": digest_of(self.body),
            "idempotency-key": self.key or "",
        }
        return (known | dict(self.lines) | self.values)[name]

    def base(self) -> str:
        """The signature base (RFC 9421 §2.5)."""
        covered = [f'"{name}": {self.value(name)}' for name in self.covered]
        return "\n".join([*covered, f'"@signature-params": {self.signature_input()}'])

    def signature_input(self) -> str:
        """The value of Signature-Input without its label."""
        return "({}){}".format(" ".join(f'"{name}"' for name in self.covered), self.parameters)

    def headers(self) -> CIMultiDict[str]:
        """All header fields, signed."""
        signature = signing.SigningKey(SEED).sign(self.base().encode()).signature
        fields = CIMultiDict({"Host": self.authority, "Content-Type": "application/json"})
        if self.body:
            fields["Content-Digest"] = digest_of(self.body)
        if self.key is not None:
            fields["Idempotency-Key"] = self.key
        fields.extend(self.lines)
        fields["Signature-Input"] = f"{self.label}={self.signature_input()}"
        fields["Signature"] = f"{self.label}=:{base64.b64encode(signature).decode()}:"
        return fields

    def but(self, **changes: object) -> "Message":
        """The same message with some parts changed before it is signed."""
        return replace(self, **changes)  # type: ignore[arg-type]


def found(message: Message, headers: CIMultiDict[str] | None = None) -> Candidate | Problem:
    """What the switch makes of a message, possibly with headers changed after signing."""
    return find_candidate(
        method=message.method,
        authority=message.authority,
        path=message.path,
        query=message.query,
        headers=message.headers() if headers is None else headers,
        has_body=bool(message.body),
        is_known_key={KEY_ID, "bank-of-qingdao/old"}.__contains__,
    )


def refused(message: Message, headers: CIMultiDict[str] | None = None) -> str:
    """The name of the problem a message is refused with; "" when it is not refused."""
    answer = found(message, headers)
    return answer.name if isinstance(answer, Problem) else ""
