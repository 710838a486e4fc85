"""A small Reflex application: its state is the chat, an answer grows in it; uploads come by HTTP."""

import os
from pathlib import Path

import reflex as rx
from probe import Probe, add_line
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Route
from words import answer_to

# In place of the front end, which would take a build.
FILES = {
    "/page.html": Path(__file__).parents[1] / "page.html",
    "/socket.io.esm.min.js": Path(os.environ.get("STOCK_CLIENT", "")),
}


class Chat(rx.State):
    """What one tab sees."""

    said: list[dict[str, str]] = []  # noqa: RUF012 (how Reflex declares what each tab has of its own)
    answer: str = ""
    files: list[dict[str, str | int]] = []  # noqa: RUF012
    answers: int = 0

    @rx.event
    async def ask(self, question: str):
        self.said.append({"who": "you", "text": question})
        self.answer = ""
        yield
        for token in answer_to(question):
            self.answer += token
            yield
        self.said.append({"who": "assistant", "text": self.answer})
        self.answers += 1

    @rx.event
    async def take(self, files: list[rx.UploadFile]):
        for file in files:
            content = await file.read()
            self.files.append({"name": file.name or "", "bytes": len(content), "lines": content.count(b"\n")})


def index() -> rx.Component:
    return rx.vstack(
        rx.foreach(Chat.said, lambda entry: rx.text(entry["who"], ": ", entry["text"])),
        rx.markdown(Chat.answer),
        rx.upload(id="files", on_drop=Chat.take(rx.upload_files("files"))),
    )


pages = Starlette(routes=[Route(path, lambda _, file=file: FileResponse(file)) for path, file in FILES.items()])
app = rx.App(api_transformer=[pages, lambda api: Probe(api, sio=app.sio, manager=manager)])
manager = add_line(app.sio)
app.add_page(index)
