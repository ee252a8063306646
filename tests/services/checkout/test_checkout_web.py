"""The page of a check-out: what it says to anybody, when it says no, how a browser sees it."""

import asyncio
import base64
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
import zxingcpp
from PIL import Image

from switch.errors import LedgerUnavailable
from switch.services.checkout import limits
from tests.integration.browser import Page, open_browser
from tests.integration.town import Reply, Town, open_town
from tests.services.checkout.scene import Scene

TRIES_MAX = 50  # each would have to take two seconds for none to be refused
WAIT_S_MAX = 30  # only there so that a test can fail
NARROW_PX = 360  # a small telephone
BACK = "https://shop.example/orders/4711?done=1"
FINAL = """new Promise((done) => {
  const line = document.getElementById("status");
  const look = () => line.dataset.status === "open" ? setTimeout(look, 10) : done([
    line.dataset.status, line.textContent, document.getElementById("back").href,
    document.getElementById("back").checkVisibility(),
    document.getElementById("code").checkVisibility(),
  ]);
  look();
})"""
LOADED = """new Promise((done) => {
  const look = () => document.readyState === "complete" ? done() : setTimeout(look, 10);
  look();
})"""
SEEN = """[document.querySelector("h1").textContent, document.title,
  document.getElementById("status").textContent,
  document.getElementById("back").checkVisibility(),
  document.documentElement.scrollWidth, document.querySelectorAll("script").length]"""
# Whatever a reader of the page by ear needs: names of pictures, an order of headings, a language.
UNNAMED = """[...document.querySelectorAll("[role=img]:not([aria-label]), img:not([alt])")].length
  + (document.documentElement.lang ? 0 : 1) + (document.querySelectorAll("h1").length - 1)
  + (document.querySelector("[role=status]") ? 0 : 1)"""


@pytest_asyncio.fixture(loop_scope="session")
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    """An empty page of a new browser."""
    async with open_browser(tmp_path) as made:
        yield made


async def look(town: Town, checkout: str, what: str = "") -> Reply:
    return await town.raw("GET", f"/pay/checkouts/{checkout}{what}")


async def test_a_customer_sees_it_paid_without_touching_the_page(
    scene: Scene, town: Town, page: Page
) -> None:
    """The code on the screen leads to the page; once it is paid it says so, and shows the way."""
    opened = await scene.opened(payee_name="Corner <b>Shop</b>", return_url=BACK)
    await page.open("about:blank")
    screen = {"width": NARROW_PX, "height": 800, "deviceScaleFactor": 2, "mobile": False}
    await page.call("Emulation.setDeviceMetricsOverride", **screen)
    await page.open(opened["url"])
    await page.evaluate(LOADED)
    name, title, text, can_go_back, width, scripts = await page.evaluate(SEEN)
    assert (name, title) == ("Corner <b>Shop</b>", "Corner <b>Shop</b>: 12.50 CNY")
    assert (text, can_go_back) == ("Scan the code with your wallet: 12.50 CNY to pay.", False)
    assert (width <= NARROW_PX, scripts, await page.evaluate(UNNAMED)) == (True, 1, 0)
    shot = base64.b64decode((await page.call("Page.captureScreenshot"))["data"])
    [code] = zxingcpp.read_barcodes(Image.open(io.BytesIO(shot)).convert("L"))
    assert code.text == opened["url"]
    await scene.pay(opened["id"])
    final = await page.evaluate(FINAL)
    assert final == ["paid", "Paid. Thank you.", BACK, True, False]
    assert page.complaints == []
    parts = {opened["url"], f"{opened['url']}/status"}
    parts |= {f"http://{town.authority}/pay/page.{kind}" for kind in ("css", "js")}
    assert set(page.fetched) - {"about:blank"} <= parts | {f"http://{town.authority}/favicon.ico"}


async def test_the_page_asks_until_it_is_final_and_no_longer(
    scene: Scene, town: Town, page: Page
) -> None:
    """A cancellation ends the asking; while the switch gives no answer it goes on."""
    opened = await scene.opened()
    await page.open(opened["url"])
    await page.evaluate(LOADED)
    faster = (await town.raw("GET", "/pay/page.js")).body.decode().replace("2000;", "20;")
    assert "PAUSE_MS = 20;" in faster
    await page.evaluate(
        "globalThis.asked = 0; globalThis.fetch = ((real) => (...what) => {"
        " asked += 1; return asked % 2 ? Promise.reject(new Error('no way')) : real(...what); }"
        f")(fetch); (() => {{ {faster} }})();"
    )
    await page.evaluate(
        "new Promise((done) => { const wait = () => asked > 4 ? done()"
        " : setTimeout(wait, 5); wait(); }).then(() => 1)"
    )
    await scene.cancel(opened["id"])
    status, text, _, can_go_back, _ = await page.evaluate(FINAL)
    assert (status, can_go_back) == ("cancelled", False)
    assert "cancelled" in text
    asked = await page.evaluate("asked")
    await page.evaluate("new Promise((done) => setTimeout(done, 300)).then(() => 1)")
    assert await page.evaluate("asked") <= asked + 1  # one may have been under way
    assert page.complaints == []


async def test_the_page_says_only_what_its_payer_needs(scene: Scene, town: Town) -> None:
    """Nothing of accounts, and nothing of the way back before it is paid."""
    opened = await scene.opened(return_url=BACK, description="Two coffees", amount_min=250)
    shown = (await look(town, opened["id"])).body.decode()
    assert "Two coffees" in shown
    assert "12.50 CNY" in shown
    assert scene.merchant.id in shown  # where it has no other name
    for secret in (scene.payee, scene.payer, "shop.example"):
        assert secret not in shown
    await scene.pay(opened["id"], 1000)
    part = (await look(town, opened["id"], "/status")).json
    assert part == {
        "status": "open",
        "text": "Scan the code with your wallet: 2.50 CNY to pay.",
        "return_url": None,
    }
    await scene.pay(opened["id"], 250)
    paid = await look(town, opened["id"])
    assert 'data-status="paid"' in paid.body.decode()
    assert f'href="{BACK}"' in paid.body.decode()
    assert "<svg" not in paid.body.decode()
    assert (await look(town, opened["id"], "/status")).json["return_url"] == BACK


@pytest.mark.parametrize("what", ["", "/status"])
async def test_a_stranger_to_the_id_sees_nothing(scene: Scene, town: Town, what: str) -> None:
    """An id that is none, that nothing has, or a query that means nothing."""
    for unknown in ("7", str(uuid4())):
        assert (await look(town, unknown, what)).problem == "not-found"
    checkout = (await scene.opened())["id"]
    asked = await look(town, checkout, f"{what}?after=7")
    assert (asked.problem, asked.json["field"]) == ("malformed-message", "after")
    posted = await town.raw("POST", f"/pay/checkouts/{checkout}{what}", body=b"{}")
    assert posted.problem == "method-not-allowed"


async def test_the_page_may_load_nothing_from_elsewhere(scene: Scene, town: Town) -> None:
    """Its policy says so, it is in nobody's frame, and nothing keeps a copy of it."""
    reply = await look(town, (await scene.opened())["id"])
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", reply.body.decode())
    assert not re.search(r"\sstyle=|\son\w+=|<script>|<style", reply.body.decode())


async def test_what_a_shop_writes_is_text_on_its_page(scene: Scene, town: Town) -> None:
    """Markup, quotes and the marks of the template stand there as they were written."""
    evil = """"'><img src=x onerror=alert(1)>$code&"""
    checkout = await scene.opened(payee_name=evil, reference=evil, description=evil)
    shown = (await look(town, checkout["id"])).body.decode()
    assert "<img" not in shown
    escaped = "&quot;&#x27;&gt;&lt;img src=x onerror=alert(1)&gt;$code&amp;"
    assert shown.count(escaped) == 4  # title, heading, order, what


async def test_who_finds_the_room_taken_is_told_so_before_the_ledger_is_asked(
    scene: Scene, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Participants' own look-ups are not in the way; no answer of the ledger is told as that."""
    checkout = (await scene.opened())["id"]
    reads = town.app._reads
    real, asked, go = reads.ask, [0], asyncio.Event()

    async def slow(statement: str, *arguments: Any) -> Any:
        if "read_page" in statement:
            asked[0] += 1
            await go.wait()
        return await real(statement, *arguments)

    monkeypatch.setattr(reads, "ask", slow)
    looks = [
        asyncio.create_task(look(town, checkout, "/status"))
        for _ in range(limits.LOOKS_IN_FLIGHT_MAX + 4)
    ]
    async with asyncio.timeout(WAIT_S_MAX):
        done, waiting = await asyncio.wait(looks, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 4:
            more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            done |= more
    assert {task.result().problem for task in done} == {"too-many-requests"}
    assert await scene.shown(checkout)
    go.set()
    assert {(await task).status for task in waiting} == {200}
    assert asked[0] == limits.LOOKS_IN_FLIGHT_MAX

    async def gone(*_: Any) -> Any:
        raise LedgerUnavailable("no answer")

    monkeypatch.setattr(reads, "ask", gone)
    refused = await look(town, checkout)
    assert (refused.problem, refused.status) == ("ledger-unavailable", 503)


async def test_who_looks_too_often_is_told_so(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """By address, also where there is no such check-out; nothing else is refused for it."""
    monkeypatch.setattr(limits, "LOOKS_PER_S", 0.5)
    async with open_town(town.database, town.key_dir) as other:
        unknown = str(uuid4())
        assert (await look(other, unknown)).problem == "not-found"
        for _ in range(TRIES_MAX):
            refused = await look(other, unknown, "/status")
            if refused.status == 429:
                break
        assert refused.problem == "too-many-requests"
        assert int(refused.headers["Retry-After"]) >= 1
        assert (await other.raw("GET", "/pay/page.css")).status == 200
        await other.member("merchant")
