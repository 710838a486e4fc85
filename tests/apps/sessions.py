"""What a person does at each application: asks, uploads, loads again, loses the network and comes back.

In: a visit and the program behind it. Out: nothing; each step ends where the page shows that everything has come.
Never: waits for a time; two runs must be the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from playwright.async_api import FilePayload, expect

from apps.browser import Visit
from apps.program import Program

Session = Callable[[Visit, Program], Awaitable[None]]
ROWS = b"".join(b"%d,row %d\n" % (n, n * n) for n in range(500))
FILE: FilePayload = {"name": "notes.csv", "mimeType": "text/csv", "buffer": ROWS}


async def until_connected(program: Program, count: int) -> None:
    """Until the server has so many clients."""
    async with asyncio.timeout(30):
        while (await program.ask())["connected"] != count:  # noqa: ASYNC110 (another process has no event for us)
            await asyncio.sleep(0.05)


async def nicegui(visit: Visit, program: Program) -> None:
    page = visit.page
    done = page.get_by_test_id("done")
    await page.goto("/")
    await expect(done).to_have_text("ready")
    await _ask_nicegui(visit, "What is it?", "answers: 1")
    await page.locator("input[type=file]").set_input_files(FILE)
    await expect(done).to_have_text("files: 1")
    await page.get_by_role("button", name="Measure").click()
    await expect(done).to_have_text("measured")
    await page.reload()
    await expect(done).to_have_text("ready")
    await _ask_nicegui(visit, "And after a reload?", "answers: 2")
    await visit.go_offline()
    await until_connected(program, 0)
    await program.ask("/away", "POST")
    await visit.come_back()
    await expect(done).to_have_text("while away: 5")
    await _ask_nicegui(visit, "Is it all there?", "answers: 3")


async def _ask_nicegui(visit: Visit, question: str, answered: str) -> None:
    await visit.page.get_by_label("question").fill(question)
    await visit.page.get_by_role("button", name="Send").click()
    await expect(visit.page.get_by_test_id("done")).to_have_text(answered)


async def chainlit(visit: Visit, program: Program) -> None:
    page = visit.page
    await page.goto("/")
    await expect(page.get_by_text("Hello, I am here.")).to_be_visible()
    await until_connected(program, 1)
    await _ask_chainlit(visit, "What is it?")
    await page.locator("#upload-button-input").set_input_files(FILE)
    await _ask_chainlit(visit, "What does the file say?")
    await expect(page.get_by_text("notes.csv: 6927 bytes, 500 lines")).to_be_visible()
    await _ask_chainlit(visit, "Delete the file", answer="yes")
    await page.reload()
    await expect(page.get_by_text("Hello, I am here.")).to_be_visible()
    await _ask_chainlit(visit, "And after a reload?")
    await visit.go_offline()
    await until_connected(program, 0)
    await visit.come_back()
    await until_connected(program, 1)
    await _ask_chainlit(visit, "Is it all there?")


async def _ask_chainlit(visit: Visit, question: str, *, answer: str = "") -> None:
    page = visit.page
    await page.locator("#chat-input").fill(question)
    await expect(page.locator("#chat-submit")).to_be_enabled()
    await page.locator("#chat-submit").click()
    if answer:
        await page.get_by_role("button", name=answer, exact=True).click()
    await expect(page.get_by_text(f"That was about: {question}")).to_be_visible()
    await expect(page.locator("#stop-button")).to_have_count(0)


async def reflex(visit: Visit, program: Program) -> None:
    page = visit.page
    state = page.locator("#state")
    await page.goto("/page.html")
    await expect(state).to_contain_text("answers: 0, said: 0")
    await _ask_reflex(visit, "What is it?", "answers: 1, said: 2, files: []")
    await page.evaluate("text => upload('notes.csv', text)", ROWS.decode())
    await expect(state).to_contain_text('files: [{"name":"notes.csv","bytes":6927,"lines":500}]')
    await page.reload()
    await expect(state).to_contain_text("answers: 1, said: 2")
    await _ask_reflex(visit, "And after a reload?", "answers: 2, said: 4")
    await visit.go_offline()
    await until_connected(program, 0)
    await visit.come_back()
    await until_connected(program, 1)
    await _ask_reflex(visit, "Is it all there?", "answers: 3, said: 6")


async def _ask_reflex(visit: Visit, question: str, answered: str) -> None:
    await visit.page.evaluate("question => ask(question)", question)
    await expect(visit.page.locator("#state")).to_contain_text(answered)
