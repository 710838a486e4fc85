"""A small NiceGUI application: a chat that streams, an upload, a table; what was said outlives a reload."""

import asyncio
import os
import sys

import uvicorn
from fastapi import FastAPI
from nicegui import app, core, ui
from probe import Probe, add_line
from words import answer_to

manager = add_line(core.sio)
core.app.add_middleware(Probe, sio=core.sio, manager=manager)

# What was said, in the order it was said; everybody sees the same.
said: list[dict[str, str]] = []
rows: list[dict[str, object]] = []
watching: list[ui.label] = []


@ui.refreshable
def talk() -> None:
    for entry in said:
        with ui.row().classes("w-full"):
            ui.label(entry["who"]).classes("font-bold")
            ui.markdown(entry["text"])


@ui.page("/")
async def page() -> None:
    client = ui.context.client

    async def settle() -> None:
        """Until what has changed is sent: two changes in one event would depend on the clock."""
        while client.outbox.updates or client.outbox.messages:
            await asyncio.sleep(0.001)

    async def send() -> None:
        text = question.value
        question.value = ""
        said.append({"who": "you", "text": text})
        with log:
            ui.label(text).classes("font-bold")
            answer = ui.markdown()
        await settle()
        for token in answer_to(text):
            answer.content += token
            await settle()
        said.append({"who": "assistant", "text": answer.content})
        done.text = f"answers: {len(said) // 2}"

    async def take(event) -> None:
        content = await event.file.read()
        rows.append({"name": event.file.name, "bytes": len(content), "lines": content.count(b"\n")})
        table.rows = list(rows)
        done.text = f"files: {len(rows)}"

    log = ui.column()
    with log:
        talk()
    table = ui.table(
        columns=[{"name": name, "label": name, "field": name} for name in ("name", "bytes", "lines")], rows=list(rows)
    )
    question = ui.input("question").props("data-testid=question")
    ui.button("Send", on_click=send)
    ui.upload(on_upload=take, auto_upload=True)
    done = ui.label("ready").props("data-testid=done")
    watching.append(done)


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
