"""What tests in this folder share: a stock server and ours side by side, and the hosts of JavaScript clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from conformance.harness import WAYS, Way
from conformance.javascript import CHROMIUM_FLAGS, CLIENTS, MAX_LINE_BYTES, Node, Page, find_chromium, find_node
from playwright.async_api import Browser, async_playwright


@pytest.fixture(params=WAYS, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


# In one loop for a file, so that Node and Chromium start once.


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node_path() -> str:
    return find_node()


@pytest_asyncio.fixture(loop_scope="module")
async def node(node_path: str) -> AsyncIterator[Node]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        node_path, str(CLIENTS / "node_client.mjs"), stdin=pipe, stdout=pipe, stderr=pipe, limit=MAX_LINE_BYTES
    )
    node = Node(process)
    yield node
    await node.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(node_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        path = find_chromium(playwright.chromium.executable_path)
        browser = await playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS, chromium_sandbox=False)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    page = Page(browser)
    yield page
    await page.close()
