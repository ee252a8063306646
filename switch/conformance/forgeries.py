"""Requests that a participant's server must refuse: each lacks one thing that a signature promises.

A server that accepts one of them would let a stranger decide. After each, the true request under
the same key, with other content, must be taken as if nothing had come before: what was refused has
left nothing behind.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from switch import limits
from switch.conformance.player import USUAL, Player, Sent, Target, sign_over
from switch.conformance.report import Check, Seen
from switch.digest import digest_field
from switch.keyfile import generate_seed
from switch.signature import SigningKey, signing_key

LONG_S = 2 * limits.SIGNATURE_AGE_S_MAX  # ago or ahead, whatever the clocks
ELSEWHERE = "elsewhere.example"


class Forged(Struct, frozen=True, kw_only=True):
    """What a forgery is made from: the true request, and one that was meant for something else."""

    player: Player
    target: Target
    body: bytes
    key: str  # the idempotency key
    other_body: bytes

    def signed(
        self,
        *,
        created: int | None = None,
        components: tuple[str, ...] = USUAL,
        expires: int | None = None,
    ) -> Sent:
        """The request by the switch's key, with something changed."""
        return sign_over(
            self.player.key, self.target, self.body, self.key,
            created=self.player.now_s() if created is None else created,
            components=components, expires=expires,
        )  # fmt: skip


class Forgery(Struct, frozen=True, kw_only=True):
    """One way to forge."""

    name: str
    promise: str
    advice: str
    make: Callable[[Forged], tuple[Target, Sent]]


def _unsigned(forged: Forged) -> tuple[Target, Sent]:
    sent = forged.signed()
    headers = {name: value for name, value in sent.headers.items() if "Signature" not in name}
    return forged.target, replace(sent, headers=headers)


def _of_a_stranger(forged: Forged) -> tuple[Target, Sent]:
    stranger = signing_key(forged.player.key.key_id, generate_seed())
    return forged.target, _signed_by(stranger, forged)


def _of_an_unknown_key(forged: Forged) -> tuple[Target, Sent]:
    stranger = signing_key("switch/never-published", generate_seed())
    return forged.target, _signed_by(stranger, forged)


def _signed_by(key: SigningKey, forged: Forged) -> Sent:
    return sign_over(
        key, forged.target, forged.body, forged.key,
        created=forged.player.now_s(), components=USUAL,
    )  # fmt: skip


def _old(forged: Forged) -> tuple[Target, Sent]:
    return forged.target, forged.signed(created=forged.player.now_s() - LONG_S)


def _ahead(forged: Forged) -> tuple[Target, Sent]:
    return forged.target, forged.signed(created=forged.player.now_s() + LONG_S)


def _expired(forged: Forged) -> tuple[Target, Sent]:
    now_s = forged.player.now_s()
    return forged.target, forged.signed(created=now_s - 20, expires=now_s - 10)


def _other_body(forged: Forged) -> tuple[Target, Sent]:
    return forged.target, replace(forged.signed(), body=forged.other_body)


def _other_body_and_digest(forged: Forged) -> tuple[Target, Sent]:
    sent = forged.signed()
    headers = {**sent.headers, "Content-Digest": digest_field(forged.other_body)}
    return forged.target, replace(sent, headers=headers, body=forged.other_body)


def _without_digest(forged: Forged) -> tuple[Target, Sent]:
    covered = tuple(name for name in USUAL if name != "content-digest")
    return forged.target, forged.signed(components=covered)


def _without_key(forged: Forged) -> tuple[Target, Sent]:
    covered = tuple(name for name in USUAL if name != "idempotency-key")
    return forged.target, forged.signed(components=covered)


def _for_elsewhere(forged: Forged) -> tuple[Target, Sent]:
    elsewhere = replace(forged.target, authority=ELSEWHERE)
    return elsewhere, replace(forged, target=elsewhere).signed()


def _for_another_path(forged: Forged) -> tuple[Target, Sent]:
    elsewhere = replace(forged.target, path=f"{forged.target.path}/elsewhere")
    return forged.target, replace(forged, target=elsewhere).signed()


FORGERIES = (
    Forgery(
        name="refuses-unsigned",
        promise="a request without a signature is refused",
        advice="look for Signature-Input and Signature before anything else; answer 401",
        make=_unsigned,
    ),
    Forgery(
        name="refuses-bad-signature",
        promise="a signature by another key under the switch's key id is refused",
        advice="verify the Ed25519 signature with the published key that keyid names",
        make=_of_a_stranger,
    ),
    Forgery(
        name="refuses-unknown-key",
        promise="a signature by a key that the switch has not published is refused",
        advice="take keys from the switch's /.well-known/jwks.json only",
        make=_of_an_unknown_key,
    ),
    Forgery(
        name="refuses-old-signature",
        promise=f"a signature made {LONG_S} s ago is refused",
        advice=f"refuse when `created` is more than {limits.SIGNATURE_AGE_S_MAX} s ago",
        make=_old,
    ),
    Forgery(
        name="refuses-signature-ahead",
        promise=f"a signature made {LONG_S} s ahead is refused",
        advice=f"refuse when `created` is more than {limits.SIGNATURE_AHEAD_S_MAX} s ahead",
        make=_ahead,
    ),
    Forgery(
        name="refuses-expired-signature",
        promise="a signature past its own `expires` is refused",
        advice="where the parameter `expires` stands, compare it with the clock",
        make=_expired,
    ),
    Forgery(
        name="refuses-other-body",
        promise="a body that is not the one of its Content-Digest is refused",
        advice="compare Content-Digest with the SHA-256 of the bytes that came",
        make=_other_body,
    ),
    Forgery(
        name="refuses-changed-digest",
        promise="a body that was exchanged together with its Content-Digest is refused",
        advice="build the signature base from the Content-Digest that came",
        make=_other_body_and_digest,
    ),
    Forgery(
        name="refuses-uncovered-digest",
        promise="a signature that does not cover the body is refused",
        advice='require "content-digest" among the covered components',
        make=_without_digest,
    ),
    Forgery(
        name="refuses-uncovered-key",
        promise="a signature that does not cover the idempotency key is refused",
        advice='require "idempotency-key" among the covered components',
        make=_without_key,
    ),
    Forgery(
        name="refuses-other-authority",
        promise="a request that was signed for another host is refused, whatever Host says",
        advice="compare @authority with the names of your own server; answer 421",
        make=_for_elsewhere,
    ),
    Forgery(
        name="refuses-other-path",
        promise="a request that was signed for another path is refused",
        advice="build the signature base from the path that was asked for",
        make=_for_another_path,
    ),
)

# The true request after a forgery, in other bytes under the same key; None: it was taken.
Follow = Callable[[], Awaitable[str | None]]


def forgery_checks(refuses: Callable[[Forgery], Awaitable[Seen]]) -> tuple[Check, ...]:
    """A check for each forgery."""
    return tuple(
        Check(
            name=forgery.name,
            promise=forgery.promise,
            advice=forgery.advice,
            run=partial(refuses, forgery),
        )
        for forgery in FORGERIES
    )


async def forge(forgery: Forgery, forged: Forged, follow: Follow) -> str | None:
    """Send a forgery, then the true request; what went wrong, None when nothing did."""
    target, _ = forgery.make(forged)
    heard = await forged.player.settle(target, lambda: forgery.make(forged)[1])
    if not heard.is_refusal:
        return heard.short
    fault = await follow()
    if fault is not None:
        return f"the true request under the same key was not taken afterwards: {fault}"
    return None
