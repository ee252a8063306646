"""A participant's keys over HTTP: making pairs, and the messages that introduce and revoke them."""

from typing import Any
from uuid import uuid4

from switch import keyfile
from switch.signature import SigningKey, signing_key
from tests.integration.town import Member, Reply, Town


class NewKey:
    """A pair of keys that a participant has made, and the message that introduces it."""

    def __init__(self, owner: Member, name: str) -> None:
        self.seed = keyfile.generate_seed()
        self.key = signing_key(f"{owner.id}/{name}", self.seed)
        self.member = Member(id=owner.id, key=self.key)
        self.content: dict[str, Any] = {"name": name, "public_key": jwk(self.seed)}


def jwk(seed: bytes) -> dict[str, str]:
    """The public half as the wire has it."""
    public = keyfile.PublicKey(key_id="", public_key=keyfile.public_key(seed))
    return {name: keyfile.jwk(public)[name] for name in ("kty", "crv", "x")}


async def introduce(
    town: Town,
    sender: Member,
    new: NewKey,
    *,
    key: str | None = None,
    signer: SigningKey | None = None,
    **more: Any,
) -> Reply:
    """Ask for it, signed by the sender's key and by the new one."""
    return await town.send(
        sender, "POST", "/v1/keys", content=new.content | more, key=key or uuid4().hex,
        new_key=signer or new.key,
    )  # fmt: skip


async def revoke(town: Town, sender: Member, name: str, key: str | None = None) -> Reply:
    """Ask for the end of a key."""
    return await town.send(sender, "POST", f"/v1/keys/{name}/revoke", key=key or uuid4().hex)


async def own_keys(town: Town, sender: Member) -> dict[str, dict[str, Any]]:
    """What the sender sees of its keys, by name."""
    reply = await town.send(sender, "GET", "/v1/keys")
    assert (reply.status, reply.is_signed) == (200, True)
    return {one["name"]: one for one in reply.json["data"]}


async def introduced(town: Town, sender: Member, name: str) -> NewKey:
    """A key that the sender has introduced and the worker knows."""
    new = NewKey(sender, name)
    assert (await introduce(town, sender, new)).status == 201
    await town.until_known(new.member)
    return new
