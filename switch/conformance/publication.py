"""The JWK set of the switch that is played: printed, or served as the switch serves its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from switch import limits
from switch.config import HOST_DEFAULT
from switch.errors import SwitchError
from switch.keyfile import SEED_BYTES, PublicKey, jwks_document
from switch.signature import SigningKey


class Publication:
    """Keys that are published, and how often they were fetched."""

    def __init__(self, key: SigningKey) -> None:
        self._keys = [key]
        self.fetched_count = 0

    def add(self, key: SigningKey) -> None:
        """Publish one more; those before it stay, as a switch's do."""
        self._keys.append(key)

    @property
    def document(self) -> bytes:
        """The set, to be registered at the participant's server."""
        return jwks_document(
            PublicKey(key_id=key.key_id, public_key=key.secret[SEED_BYTES:]) for key in self._keys
        )

    @asynccontextmanager
    async def served(self, port: int) -> AsyncIterator[None]:
        """Serve the set at the switch's own path while the block lasts."""
        application = web.Application()
        application.router.add_get("/.well-known/jwks.json", self._show)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, HOST_DEFAULT, port).start()
            except OSError as error:
                raise SwitchError(f"--jwks-port: cannot listen on it ({error.strerror})") from None
            yield
        finally:
            await runner.cleanup()

    async def _show(self, _: web.Request) -> web.Response:
        self.fetched_count += 1
        return web.Response(
            body=self.document,
            content_type="application/jwk-set+json",
            headers={"Cache-Control": f"max-age={limits.JWKS_AGE_S_MAX}"},
        )
