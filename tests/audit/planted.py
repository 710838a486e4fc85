"""Captures whose every place that could hold contents holds a secret.

In: nothing. Out: a HAR file, a debug log and JSON Lines as texts; each secret contains `MARK`.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from typing import Any

MARK = "hunter2"
EVENTS = ("chat_message", "presence", "say")
KEYS = ("text", "author", "nickname")


def _secrets() -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"{MARK}x{next(numbers)}y"


def planted_har() -> str:
    """Values, long and odd keys, addresses, headers, greetings, errors, acks, names of events, attachments."""
    secret = _secrets()
    messages: list[dict[str, Any]] = []

    def add(kind: str, data: str, opcode: int = 1) -> None:
        messages.append({"type": kind, "time": 1.76e9 + len(messages) / 50, "opcode": opcode, "data": data})

    add("receive", json.dumps({"sid": secret()}).join(["0", ""]))
    add("send", "40" + json.dumps({"token": secret()}))
    add("receive", "40" + json.dumps({"sid": secret()}))
    people = [f"{MARK}.{name}" for name in ("nguyen", "martin", "weber", "klein")]
    words = [f"{MARK}{letters}" for letters in ("abcd", "efgh", "ijkl", "mnop")]
    for number in range(40):
        add("receive", "42" + json.dumps(["standings", {"votes": dict.fromkeys(people, number), "round": number}]))
        add("receive", "42" + json.dumps(["presence_now", {"online": dict.fromkeys(words, True), "round": number}]))
        odd = {secret(): 1, f"a long key {secret()}": secret(), f"{secret()}@example.test": {"x": secret()}}
        chat = {"text": secret(), "author": {"nickname": secret()}, "tags": [secret()], "by_user": odd, **odd}
        add("receive", "42" + json.dumps(["chat_message", chat]))
        add("receive", "42" + json.dumps(["presence", {secret(): {"on": True} for _ in range(5)}]))
        add("receive", "42" + json.dumps([f"joined {secret()}", {"text": secret()}]))
        add("receive", "42" + json.dumps([f"user:{secret()}", {"text": secret()}]))
        add("send", f"42{number}" + json.dumps(["say", secret()]))
        add("receive", f"43{number}" + json.dumps([{"ok": secret()}]))
        add("receive", '451-["chat_message",{"_placeholder":true,"num":0}]')
        add("receive", base64.b64encode(secret().encode()).decode(), 2)
    for broken in ('44{"message":"%s"}', '42["broken","%s', '42{"%s":1}', "4%s", "9%s", '42/%s,["a",1]', "%s"):
        add("receive", broken % secret())
    add("receive", f"%%%{secret()}", 2)
    add(secret(), secret())
    address = f"wss://{secret()}:{secret()}@chat.example.test/{secret()}/?EIO=4&transport=websocket&token={secret()}"
    headers = [{"name": "Cookie", "value": secret()}]
    polling = f"https://chat.example.test/socket.io/?EIO=4&transport=polling&sid={secret()}"
    body = f'42["say","{secret()}"]\x1e4{secret()}'
    entries = [
        _entry("GET", f"{address}#{secret()}", 101, headers) | {"_webSocketMessages": messages},
        _entry("GET", f"wss://plain.example.test/{secret()}?token={secret()}", 101, headers)
        | {"_webSocketMessages": [{"type": "receive", "time": 1.76e9, "opcode": 1, "data": secret()}]},
        _entry("POST", polling, 200, headers, body),
    ]
    return json.dumps({"log": {"version": "1.2", "entries": entries}})


def planted_log() -> str:
    """Debug lines whose sessions and payloads are secrets, some cut off."""
    secret = _secrets()
    lines = [f'{secret()}: Sending packet MESSAGE data 2["chat_message",{{"text":"{secret()}"}}]' for _ in range(5)]
    lines += [
        f'{secret()}: Received packet MESSAGE data 2["say","{secret()}',
        f'{secret()}: Received packet MESSAGE data 2["',
    ]
    return "\n".join(lines)


def planted_jsonl() -> str:
    """Lines with secrets, some broken in each way that is told of."""
    secret = _secrets()
    good = [{"event": "say", "data": {"text": secret()}, "dir": "in", "stream": secret()} for _ in range(5)]
    bad = [{"event": "say", "dir": secret()}, {"event": "say", "dir": "in", "namespace": secret()}]
    bad += [{"event": "say", "dir": "in", "ts_ms": secret()}, {"event": [secret()], "dir": "in"}]
    lines = [json.dumps(line) for line in [*good, *bad]]
    return "\n".join(
        [*lines, f'{{"event":"say","data":"{secret()}', f'{{"event":"say","data":NaN,"dir":"{secret()}"}}']
    )


def _entry(method: str, url: str, status: int, headers: list[Any], body: str = "") -> dict[str, Any]:
    request = {"method": method, "url": url, "headers": headers, "cookies": headers, "postData": {"text": body}}
    response = {"status": status, "headers": headers, "content": {"text": "ok" if body else ""}}
    return {"startedDateTime": "2026-01-01T00:00:00Z", "time": 1, "request": request, "response": response}
