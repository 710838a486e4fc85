"""A small Chainlit application: it streams its answers, reads an upload, asks back and shows steps."""

from pathlib import Path

import chainlit as cl
from chainlit.server import app, sio
from probe import Probe, add_line
from words import answer_to

manager = add_line(sio)
app.add_middleware(Probe, sio=sio, manager=manager)


@cl.on_chat_start
async def start() -> None:
    await cl.Message(content="Hello, I am here.").send()


@cl.on_message
async def answer(message: cl.Message) -> None:
    for element in message.elements:
        content = Path(element.path).read_bytes()  # noqa: ASYNC240 (small, and one person at a time)
        lines = len(content.splitlines())
        await cl.Message(content=f"{element.name}: {len(content)} bytes, {lines} lines").send()
    if message.content.startswith("Delete"):
        chosen = await cl.AskActionMessage(
            content="Really?",
            actions=[cl.Action(name=name, payload={"value": name}, label=name) for name in ("yes", "no")],
        ).send()
        await cl.Message(content=f"You said {chosen['payload']['value']}.").send()
    async with cl.Step(name="plan", type="tool") as step:
        step.input = {"question": message.content}
        step.output = [{"order": n, "task": text} for n, text in enumerate(answer_to(message.content, 20))]
    said = cl.Message(content="")
    for token in answer_to(message.content):
        await said.stream_token(token)
    await said.update()
    await cl.Message(content=f"That was about: {message.content}").send()
