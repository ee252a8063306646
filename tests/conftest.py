"""What every test may ask for: the seed of this run, the long flag, and skips that say why."""

import os
import random

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="more rounds of the randomised tests")
    parser.addoption("--seed", type=int, default=None, help="repeat a run with its printed seed")


def pytest_configure(config: pytest.Config) -> None:
    seed = config.getoption("--seed")
    config.stash[SEED] = random.SystemRandom().randrange(2**32) if seed is None else seed


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.stash[SEED]} (repeat with --seed {config.stash[SEED]})"


SEED = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The one seed of all randomised tests; printed in the header."""
    return pytestconfig.stash[SEED]


@pytest.fixture(scope="session")
def long_run(pytestconfig: pytest.Config) -> bool:
    """Whether the longer version of a randomised test was asked for."""
    return bool(pytestconfig.getoption("--long"))


def missing(what: str) -> None:
    """Skip because a tool is not on this machine; CI installs all of them and allows no skip."""
    if os.environ.get("SWITCH_TEST_NO_SKIP"):
        pytest.fail(f"{what} is missing and SWITCH_TEST_NO_SKIP is set")
    pytest.skip(f"{what} is not on this machine")
