"""Imports point down only, and services never know each other."""

import ast

import pytest

from tests.tidy import tree

# From the ground up: a module may import what stands on an earlier line, or to its left on its
# own line, and never what stands later.
LINES = (
    "limits clock errors outcome state currencies queries metrics keyfile budget examples",
    "secret_file traceparent json_text payment_code",
    "config lifeline message line_file event_message batch_message key_message mandate",
    "request_to_pay fund",
    "bank_message timeline",
    "structured digest components signature introduction signing jws receipt",
    "shares log breaker reply resolver callback bank_answer",
    "db binaries cluster keeper embedded",
    "doubt migrate switch_keys participants ledger upkeep account_ledger key_ledger",
    "mandate_ledger request_ledger fund_ledger",
    "gather trail reads deliveries key_uses",
    "bank_calls",
    "turns loops",
    "admission service requests",
    "once",
    "lane pending",
    "router",
    "authorize batch steps accounts keys lookups receipts events",
    "openapi participant_openapi public",
    "endpoint connection",
    "services",
    "exchange answers orders batch_exchange patience client",
    "admin",
    "app",
    "worker jobs receiver delivery bank_keys bank_settling bank banks",
    "supervisor admin_port serving",
    "terminal demo_city demo_day demo_traffic simulate demo_bank demo_table demo conformance",
    "cli_operator cli_serve cli_simulate commands",
    "cli_participants cli_accounts cli_tariffs cli_banks cli_events cli_receipts",
    "cli_demo cli_status cli_trace cli_conformance cli",
    "__main__",
)
ORDER = " ".join(LINES).split()

# Modules that may import even less than their place allows.
GROUND = {"limits", "clock", "errors"}
NARROW = {
    "exchange": GROUND | {"structured", "digest", "components", "signature", "signing", "keyfile"},
    "batch_exchange": GROUND | {"message", "batch_message", "exchange"},
    "client": GROUND
    | {
        "message",
        "event_message",
        "key_message",
        "currencies",
        "components",
        "signature",
        "signing",
        "keyfile",
    }
    | {"exchange", "answers", "orders", "batch_exchange", "patience", "timeline"},
    "embedded": GROUND | {"log", "binaries", "cluster", "keeper"},
    "keeper": GROUND | {"log", "binaries", "cluster"},
}

# Rules hold no I/O: these import no driver, no server, no event loop.
PURE = (
    "limits",
    "errors",
    "outcome",
    "state",
    "message",
    "json_text",
    "batch_message",
    "key_message",
    "payment_code",
    "mandate",
    "request_to_pay",
    "fund",
    "event_message",
    "line_file",
    "bank_message",
    "timeline",
    "structured",
    "digest",
    "components",
    "signature",
    "introduction",
    "signing",
    "jws",
    "receipt",
    "reply",
    "bank_answer",
)
IO_PACKAGES = {"asyncio", "asyncpg", "aiohttp", "uvloop", "socket", "subprocess", "time"}

MODULES = tree.with_suffix(".py", under=tree.PACKAGE)


def own_imports(path: tree.Path) -> set[str]:
    """What a file imports of the package: `services` stands for all below `switch.services`."""
    names = {name.split(".")[1] for name in tree.imported(path) if name.startswith("switch.")}
    return names & set(ORDER)


def first_level(path: tree.Path) -> str:
    """The name that has a place in the order; empty for the package itself.

    A service's commands stand above the rest of it: they reach the database as the operator.
    """
    if path.name == "commands.py" and "services" in path.parts:
        return "commands"
    return [*tree.module_name(path).split("."), ""][1]


def test_every_module_has_a_place() -> None:
    """The order of imports names every module, and no module twice."""
    assert len(ORDER) == len(set(ORDER))
    without = [tree.shown(path) for path in MODULES if first_level(path) not in {"", *ORDER}]
    assert not without, f"no place in the order of imports: {without}"


def test_imports_point_down() -> None:
    """A module imports only what stands before it in the order; the package itself nothing."""
    upward = [
        f"{tree.shown(path)} imports {other}"
        for path in MODULES
        for other in sorted(own_imports(path) - {first_level(path)})
        if first_level(path) not in ORDER or ORDER.index(other) > ORDER.index(first_level(path))
    ]
    assert not upward


@pytest.mark.parametrize("name", sorted(NARROW))
def test_a_module_that_stands_alone_imports_only_its_list(name: str) -> None:
    """Client and launcher can be read, and the client copied, without the rest of the switch."""
    beyond = own_imports(tree.PACKAGE / f"{name}.py") - NARROW[name] - {name}
    assert not beyond, f"switch/{name}.py imports {sorted(beyond)}"


RULES = [tree.PACKAGE / f"{name}.py" for name in PURE]
RULES += [path for path in MODULES if path.name == "rules.py"]  # those of services


@pytest.mark.parametrize("path", RULES, ids=tree.shown)
def test_rules_do_no_input_or_output(path: tree.Path) -> None:
    """Messages, signatures, outcomes and replies are computed from their arguments alone."""
    roots = {imported.split(".")[0] for imported in tree.imported(path)}
    assert not roots & IO_PACKAGES, f"{tree.shown(path)} imports {sorted(roots & IO_PACKAGES)}"
    for node in ast.walk(tree.syntax(path)):
        waits = isinstance(node, ast.Await | ast.AsyncFunctionDef)
        assert not waits, f"{tree.shown(path)}:{getattr(node, 'lineno', 0)} waits"


def test_services_never_import_each_other() -> None:
    """City services meet in the ledger and the event feed only; the list alone names them all."""
    services = tree.PACKAGE / "services"
    sideways = []
    for path in tree.with_suffix(".py", under=services):
        mine = path.relative_to(services).parts[0]
        theirs = {name.split(".")[2] for name in tree.imported(path) if _names_a_service(name)}
        if path.parent != services and theirs - {mine}:
            sideways.append(f"{tree.shown(path)} imports {sorted(theirs - {mine})}")
    assert not sideways


def _names_a_service(name: str) -> bool:
    return name.startswith("switch.services.")


def test_the_product_does_not_import_its_tests() -> None:
    """Nothing that is installed leans on tests, benchmarks or load tests."""
    for path in MODULES:
        roots = {name.split(".")[0] for name in tree.imported(path)}
        assert not roots & {"tests", "bench", "loadtests"}, tree.shown(path)
