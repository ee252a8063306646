"""The page at `/docs` in a real browser: all of the document, no error, nothing from elsewhere."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.integration.browser import Page, open_browser
from tests.integration.town import Town

NARROW_PX = 360  # a small telephone

# The script draws everything in one go, so the last heading means that all is there.
DRAWN = """new Promise((done) => {
  const look = () => document.querySelector("#outcomes, .failed") ? done() : setTimeout(look, 10);
  look();
})"""
ARTICLES = """Object.fromEntries([...document.querySelectorAll("article")].map((one) => {
  for (const details of one.querySelectorAll("details")) details.open = true;
  const shown = [...one.querySelectorAll("pre")].filter((pre) => pre.checkVisibility());
  return [one.id, { text: one.innerText, examples: shown.map((pre) => pre.innerText) }];
}))"""
DEAD_LINKS = """[...document.querySelectorAll("a[href^='#']")].map((one) => one.hash.slice(1))
  .filter((id) => document.getElementById(id) === null)"""


@pytest_asyncio.fixture(loop_scope="session")
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    """An empty page of a new browser."""
    async with open_browser(tmp_path) as made:
        yield made


async def test_the_page_shows_every_operation_with_its_examples(town: Town, page: Page) -> None:
    """What `/openapi.json` describes is there to read, webhooks and named shapes too."""
    url = f"http://127.0.0.1:{town.port}"
    document = (await town.raw("GET", "/openapi.json")).json
    await page.open(f"{url}/docs")
    await page.evaluate(DRAWN)
    articles = await page.evaluate(ARTICLES)
    described = list(operations(document))
    assert articles.keys() == {operation["operationId"] for _, _, operation in described}
    for method, path, operation in described:
        article = articles[operation["operationId"]]
        for text in (method.upper(), path, operation["summary"], *operation["responses"]):
            assert text in article["text"], operation["operationId"]
        shown = [read(text) for text in article["examples"]]
        for example in examples(operation):
            shown.remove(example.strip() if isinstance(example, str) else example)
        assert not shown, operation["operationId"]
    for name in document["components"]["schemas"]:
        assert await page.evaluate(f"document.getElementById('shape-{name}').innerText")
    assert await page.evaluate(DEAD_LINKS) == []
    assert page.complaints == []
    assert set(page.fetched) == {
        f"{url}{path}" for path in ("/docs", "/docs/page.css", "/docs/page.js", "/openapi.json")
    }


async def test_a_link_to_an_operation_arrives_there_on_a_narrow_screen(
    town: Town, page: Page
) -> None:
    """The fragment is found although it is drawn late, and nothing is wider than the screen."""
    screen = {"width": NARROW_PX, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    await page.open("about:blank")
    await page.call("Emulation.setDeviceMetricsOverride", **screen)
    await page.open(f"http://127.0.0.1:{town.port}/docs#open_account")
    await page.evaluate(DRAWN)
    top = await page.evaluate("document.getElementById('open_account').getBoundingClientRect().top")
    assert abs(top) < 1
    assert await page.evaluate("document.documentElement.scrollWidth") <= NARROW_PX
    assert page.complaints == []


async def test_the_browser_tells_what_a_page_fetches_and_complains_of(
    town: Town, page: Page
) -> None:
    """What the tests above look for would be seen: a fetch from elsewhere, an error of a script."""
    await page.open(f"http://127.0.0.1:{town.port}/docs")
    await page.evaluate(DRAWN)
    await page.evaluate("void setTimeout(() => { throw new Error('thrown late'); })")
    elsewhere = "https://example.org/picture.png"
    refused = "new Promise((done) => { const one = new Image(); one.onerror = () => done();"
    await page.evaluate(f"{refused} one.src = '{elsewhere}'; }})")
    assert elsewhere in page.fetched
    assert any("thrown late" in text for text in page.complaints)
    assert any("Content Security Policy" in text for text in page.complaints)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path or name, and operation of everything described."""
    for described in (document["paths"], document["webhooks"]):
        for path, methods in described.items():
            for method, operation in methods.items():
                yield method, path, operation


def read(shown: str) -> Any:
    """An example as it is described: of a body that is no JSON, its text."""
    try:
        found = json.loads(shown)
    except ValueError:
        found = shown
    return found.strip() if isinstance(found, str) else found


def examples(operation: dict[str, Any]) -> Iterator[Any]:
    """All examples of bodies, of the request and of every answer."""
    for body in (operation.get("requestBody", {}), *operation["responses"].values()):
        for content in body.get("content", {}).values():
            if "example" in content:
                yield content["example"]
            for one in content.get("examples", {}).values():
                yield one["value"]
