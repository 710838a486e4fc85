"""A small NiceGUI application: a chat that streams, a chart that moves, an upload; what was said outlives a reload."""

import asyncio
import contextlib
import os
import random
import sys
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI
from nicegui import app, core, events, ui
from probe import Probe, add_line
from words import answer_to

manager = add_line(core.sio)
core.app.add_middleware(Probe, sio=core.sio, manager=manager)

# What was said, in the order it was said; everybody sees the same.
said: list[dict[str, str]] = []
files: list[str] = []
# A live chart, as NiceGUI's own examples have them: each change sends all of its points.
LINES = [{"type": "line", "name": name, "data": [20.0] * 400} for name in ("inside", "outside")]
MEASUREMENTS = 60
watching: list[ui.label] = []


@ui.refreshable
def talk() -> None:
    for entry in said:
        with ui.row().classes("w-full"):
            ui.label(entry["who"]).classes("font-bold")
            ui.markdown(entry["text"])


@ui.page("/")
async def page() -> None:
    outbox = ui.context.client.outbox

    @contextlib.asynccontextmanager
    async def one_message() -> AsyncIterator[None]:
        """What changes in here leaves in one event, whatever the clock says."""
        before = outbox.next_message_id
        yield
        while outbox.next_message_id == before:  # noqa: ASYNC110 (NiceGUI has no event for it)
            await asyncio.sleep(0.001)

    async def send() -> None:
        text = question.value
        said.append({"who": "you", "text": text})
        async with one_message():
            question.value = ""
            with log:
                ui.label(text).classes("font-bold")
                answer = ui.markdown()
        for token in answer_to(text):
            async with one_message():
                answer.content += token
        said.append({"who": "assistant", "text": answer.content})
        done.text = f"answers: {len(said) // 2}"

    async def take(event: events.UploadEventArguments) -> None:
        content = await event.file.read()
        files.append(f"- {event.file.name}: {len(content)} bytes, {len(content.splitlines())} lines\n")
        listed.content = "".join(files)
        done.text = f"files: {len(files)}"

    async def measure() -> None:
        chance = random.Random(len(said))
        for _ in range(MEASUREMENTS):
            async with one_message():
                for line in chart.options["series"]:
                    line["data"] = [*line["data"][1:], round(chance.gauss(20, 5), 2)]
                chart.update()
        done.text = "measured"

    log = ui.column()
    with log:
        talk()
        welcome = ui.markdown("Ask me.")
    listed = ui.markdown("".join(files))
    question = ui.input("question")
    ui.button("Send", on_click=send)
    ui.button("Measure", on_click=measure)
    chart = ui.echart({"xAxis": {"type": "category"}, "yAxis": {}, "series": [dict(line) for line in LINES]})
    ui.upload(on_upload=take, auto_upload=True)
    done = ui.label().props("data-testid=done")
    watching.append(done)
    await ui.context.client.connected()
    # The first change of a kind of element brings its component: all of them now, before anything else moves.
    for element in (welcome, question, chart):
        element.update()
    done.text = "ready"


@app.post("/away")
async def away() -> None:
    """What happens while a browser is away."""
    said.append({"who": "assistant", "text": "You were away."})
    watching[-1].text = f"while away: {len(said)}"


PORT = int(os.environ["PORT"])

if sys.argv[1] == "run":
    ui.run(port=PORT, host="127.0.0.1", show=False, reload=False, reconnect_timeout=20)
else:
    server = FastAPI()
    ui.run_with(server, reconnect_timeout=20)
    uvicorn.run(server, host="127.0.0.1", port=PORT, log_level="warning")
