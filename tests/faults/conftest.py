"""A funded city under load: founded once, copied and served, shared by the tests while it is sound.

A test that ends without its audit leaves a city that nobody else should be judged by: the next one
gets a new copy.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.city import City, Switch, found
from tests.faults.load import Load
from tests.faults.trade import Trade


class Grounds:
    """Makes copies of the city, one after another."""

    def __init__(self, city: City, folder: Path, seed: int) -> None:
        self._city = city
        self._folder = folder
        self._seed = seed
        self._load: Load | None = None
        self._count = 0

    async def sound_load(self) -> Load:
        """The load of the last test if its audit was good, else a new one at a new switch."""
        if self._load is None or not self._load.is_sound:
            await self.close()
            self._load = Load(await self.new_switch(), self._seed)
        return self._load

    async def new_switch(self, *options: object) -> Switch:
        """A switch of its own, to be closed by whoever asked for it."""
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        return await Switch.of(self._city.copied(folder / "data"), folder, *options)

    async def close(self) -> None:
        """End the switch, and see that nothing is left of it."""
        if self._load is not None:
            load, self._load = self._load, None
            await load.switch.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def grounds(tmp_path_factory: pytest.TempPathFactory, seed: int) -> AsyncIterator[Grounds]:
    """Where the tests of this folder take place."""
    folder = tmp_path_factory.mktemp("faults")
    made = Grounds(await found(folder), folder, seed)
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def load(grounds: Grounds, seed: int) -> Load:
    """Forty connections' worth of payments, to be switched on, at a switch of two workers."""
    print(f"seed {seed}")  # shown with a failure
    return await grounds.sound_load()


@pytest_asyncio.fixture(loop_scope="session")
async def trade(grounds: Grounds, seed: int) -> AsyncIterator[Trade]:
    """Payments with their later steps, to be switched on, at a switch that nobody else uses."""
    print(f"seed {seed}")  # shown with a failure
    switch = await grounds.new_switch("--callback-allow", "127.0.0.0/8")
    yield Trade(switch, seed)
    await switch.close()
