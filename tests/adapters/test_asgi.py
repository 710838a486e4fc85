"""What stands between an application and uvicorn's own `send`: who lets messages pass, and who looks at them."""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from reznet_ws.adapters.asgi import changes_handshake, wrappers

Send = Callable[[Any], Awaitable[None]]


class Owner:
    async def send(self, message: Any) -> None:
        """The server's own."""


def starlette(send: Send) -> Send:
    async def sender(message: Any) -> None:
        await send(message)

    sender.__module__ = "starlette._exception_handler"
    return sender


def reflex(original_send: Send) -> Send:
    async def modified_send(message: Any) -> None:
        await original_send(message)

    modified_send.__module__ = "reflex.app"
    return modified_send


def renamed(inner: Send) -> Send:
    """As starlette's, should it call the next one by another name."""

    async def sender(message: Any) -> None:
        await inner(message)

    sender.__module__ = "starlette._exception_handler"
    return sender


def counting(send: Send) -> Send:
    async def counted(message: Any) -> None:
        await send(message)

    return counted


class Callables:
    """A wrapper that is an object and not a function."""

    def __init__(self, send: Send) -> None:
        self.send = send

    async def __call__(self, message: Any) -> None:
        await self.send(message)


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        ([], frozenset()),
        ([starlette], frozenset({"starlette"})),
        ([starlette, starlette, reflex], frozenset({"starlette", "reflex"})),
        ([counting], None),
        ([starlette, counting, starlette], None),
        ([renamed], None),
        ([Callables], None),
    ],
)
def test_only_wrappers_that_are_known_to_let_messages_pass_do(layers: list[Any], found: frozenset[str] | None) -> None:
    owner = Owner()
    send: Any = owner.send
    for layer in layers:
        send = layer(send)
    assert wrappers(send, owner) == found


def test_what_leads_to_another_owner_is_not_passed() -> None:
    assert wrappers(Owner().send, Owner()) is None
    assert wrappers(types.SimpleNamespace(), Owner()) is None


def test_a_wrapper_that_says_something_in_the_handshake_is_known() -> None:
    assert changes_handshake(frozenset({"starlette", "reflex"}))
    assert not changes_handshake(frozenset({"starlette", "sentry_sdk"}))
