"""The figures that a running server shows: over HTTP, as an event, in the log and in /docs."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import AsyncIterator, Mapping
from importlib import metadata
from typing import Any

import pytest
from conformance.harness import KINDS, NEW_WS, OLD_WS, Site, connected, end_of, open_site, until
from conformance.raw import RawClient, raw
from seed import STATS_FIELDS

from reznet_ws.demo.chat import Application
from reznet_ws.settings import Settings

MESSAGE = {"message_id": "abc-123", "content": "Response here...", "created_at": "2025-10-25T12:00:00.000Z"}
LARGE = {"content": "x" * 11_000, "created_at": "2025-10-25T12:00:00.000Z"}


@contextlib.asynccontextmanager
async def chat_site(settings: Settings | None = None, token: str | None = None) -> AsyncIterator[Site]:
    """The chat application with its agents silent."""
    app = Application(settings, token=token, simulate=False)
    async with open_site(sio=app.manager.sio, app=app, attach=False) as site:
        site.given_manager = app.manager
        yield site
        app.manager.close()


async def asked(client: RawClient, method: str, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
    status, _, body = await client.request(method, f"/api/websocket/{path}", headers=headers)
    return status, json.loads(body)


async def test_the_seeds_six_fields_come_first_and_mean_what_they_say() -> None:
    async with chat_site(Settings(gzip=True)) as site, raw(site.url) as http:
        async with connected(site.url, OLD_WS, NEW_WS) as clients:
            await site.manager.broadcast("message_new", MESSAGE)
            await site.manager.broadcast("workflow_plan", LARGE)
            await end_of(site, clients)
            status, stats = await asked(http, "GET", "stats")
        assert status == 200
        others = [
            "active_connections",
            "conflated_messages",
            "wire",
            "slow_readers",
            "limits",
            "windows",
            "events",
            "recovery",
        ]
        assert list(stats) == [*STATS_FIELDS, *others]
        plain = [len(json.dumps(data, separators=(",", ":"))) for data in (MESSAGE, LARGE)]
        assert stats["total_messages"] == 3
        assert stats["total_bytes_original"] == sum(plain)
        assert stats["compressed_messages"] == 1
        optimized = stats["total_bytes_optimized"]
        assert 0 < optimized < sum(plain) / 10
        assert stats["reduction_percentage"] == round(100 * (1 - optimized / sum(plain)), 1)
        assert stats["avg_message_size"] == round(optimized / 3)
        assert stats["active_connections"] == 2
        assert set(stats["events"]) == {"connection_established", "message_new", "workflow_plan", "the_end"}
        assert stats["events"]["message_new"]["deliveries"] == 2
        assert stats["events"]["message_new"]["plain_bytes"] == 2 * plain[0]


async def test_nothing_sent_is_all_zeros() -> None:
    async with chat_site() as site, raw(site.url) as http:
        status, stats = await asked(http, "GET", "stats")
        assert status == 200
        assert [stats[name] for name in STATS_FIELDS] == [0, 0, 0, 0.0, 0, 0]
        assert stats["active_connections"] == 0
        assert stats["events"] == {}
        assert set(stats["wire"].values()) == {0}


async def test_the_event_answers_what_the_route_answers() -> None:
    async with chat_site() as site, raw(site.url) as http, connected(site.url, *KINDS) as clients:
        await site.manager.broadcast("message_new", MESSAGE)
        await end_of(site, clients)
        for client in clients:
            _, before = await asked(http, "GET", "stats")
            await client.sio.emit("get_stats")
            answer = (await client.got("stats_response")).args[0]
            assert list(answer) == list(before)
            assert [answer[name] for name in STATS_FIELDS] == [before[name] for name in STATS_FIELDS]
            assert answer["events"]["message_new"] == before["events"]["message_new"]


async def test_a_reset_answers_with_the_figures_up_to_then() -> None:
    with_token = {"Authorization": "Bearer sesame"}
    async with chat_site(token="sesame") as site, raw(site.url) as http, raw(site.url) as client:
        await client.connect(auth={"token": "sesame"})
        for event in ("message_new", "the_end"):
            await site.manager.broadcast(event, MESSAGE)
        status, last = await asked(http, "POST", "stats/reset", with_token)
        assert (status, last["total_messages"]) == (200, 2)
        _, stats = await asked(http, "GET", "stats", with_token)
        assert [stats[name] for name in STATS_FIELDS] == [0, 0, 0, 0.0, 0, 0]
        assert (stats["events"], stats["active_connections"]) == ({}, 1)
        assert (await asked(http, "GET", "stats/reset", with_token))[0] == 405


async def test_without_a_token_nobody_resets_and_pages_of_other_origins_read_nothing() -> None:
    async with chat_site() as site, raw(site.url) as http, raw(site.url) as client:
        await client.connect()
        await site.manager.broadcast("message_new", MESSAGE)
        own = "test"  # the host that `RawClient` names
        for headers in ({}, {"Origin": f"http://{own}"}, {"Origin": "https://evil.example"}):
            status, said = await asked(http, "POST", "stats/reset", headers)
            assert (status, "token" in said["detail"]) == (403, True)
        assert site.manager.get_stats()["total_messages"] == 1
        allowed = ({}, {"Origin": f"http://{own}"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"})
        for headers in allowed:
            assert (await asked(http, "GET", "stats", headers))[0] == 200
        refused: list[dict[str, str]] = [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "x"}]
        refused += [{"Sec-Fetch-Site": site} for site in ("cross-site", "same-site")]
        for headers in refused:
            status, said = await asked(http, "GET", "stats", headers)
            assert (status, list(said)) == (403, ["detail"])


async def test_health_says_how_many_are_connected() -> None:
    async with chat_site() as site, raw(site.url) as http:
        version = metadata.version("reznet-ws")
        async with connected(site.url, *KINDS):
            connections = len(KINDS)
            assert await asked(http, "GET", "health") == (
                200,
                {"status": "ok", "version": version, "active_connections": connections},
            )
        polling = sum(kind.transports == ("polling",) for kind in KINDS)
        await until(lambda: site.manager.active_connections <= polling, "the goodbyes over WebSocket")


async def test_a_client_that_polls_and_says_goodbye_counts_no_longer() -> None:
    """engineio keeps its socket for another while."""
    async with chat_site() as site, raw(site.url) as client:
        target = await client.open_polling()
        assert site.manager.active_connections == 1
        assert (await client.request("POST", target, b"1"))[0] == 200
        assert site.manager.active_connections == 0


async def test_with_a_token_the_figures_ask_for_it() -> None:
    async with chat_site(token="sesame") as site, raw(site.url) as http:
        for method, path in (("GET", "stats"), ("POST", "stats/reset")):
            for header in ({}, {"Authorization": "Bearer sesam"}, {"Authorization": "Basic sesame"}):
                status, head, _ = await http.request(method, f"/api/websocket/{path}", headers=header)
                assert status == 401
                assert "www-authenticate: bearer" in head.lower()
            status, _, _ = await http.request(
                method, f"/api/websocket/{path}", headers={"Authorization": "Bearer sesame"}
            )
            assert status == 200
        assert (await asked(http, "GET", "health"))[0] == 200


async def test_docs_and_the_openapi_schema_describe_it() -> None:
    async with chat_site() as site, raw(site.url) as http:
        status, _, page = await http.request("GET", "/docs")
        assert status == 200
        assert b"/openapi.json" in page
        _, _, body = await http.request("GET", "/openapi.json")
        schema = json.loads(body)
        assert set(schema["paths"]) == {
            "/api/websocket/stats",
            "/api/websocket/stats/reset",
            "/api/websocket/health",
        }
        assert list(schema["components"]["schemas"]["Report"]["properties"])[:6] == list(STATS_FIELDS)
        for path, methods in schema["paths"].items():
            for method, route in methods.items():
                assert route["description"], (method, path)


# The log

LINE = re.compile(r"Payload (\w+): (\d+)B -> (\d+)B \((-?\d+\.\d)% reduction\)")


async def logged(site: Site, caplog: pytest.LogCaptureFixture, *emitted: tuple[str, Any]) -> list[str]:
    """The lines that some events leave, once the log's own thread is done."""
    for event, data in emitted:
        await site.sio.emit(event, data)
    site.manager.close()
    return [record.getMessage() for record in payload_lines(caplog)]


def payload_lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Without what is said once at attach."""
    return [record for record in caplog.records if record.name == "reznet_ws" and "Payload" in record.msg]


async def test_a_payload_above_1_kb_is_logged_in_the_seeds_words(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "reznet_ws")
    settings = Settings(gzip=True, gzip_threshold_bytes=1000)
    async with open_site(settings) as site, connected(site.url, NEW_WS):
        (line,) = await logged(site, caplog, ("message_new", {"content": "x" * 5000}), ("message_new", MESSAGE))
        found = LINE.fullmatch(line)
        assert found, line
        event, before, after, percent = found.groups()
        assert (event, int(before)) == ("message_new", len('{"content":""}') + 5000)
        assert 0 < int(after) < 100
        assert float(percent) == round(100 * (1 - int(after) / int(before)), 1)
        (record,) = payload_lines(caplog)
        assert record.levelname == "INFO"
        assert record.threadName != "MainThread"  # a slow handler holds up no message


@pytest.mark.parametrize(("size", "lines"), [(1024, 0), (1025, 1)])
async def test_the_threshold_is_1_kb_of_plain_json(size: int, lines: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "reznet_ws")
    async with open_site() as site, connected(site.url, NEW_WS):
        text = "é" + "x" * (size - len(r'"\u00e9"'))
        assert len(await logged(site, caplog, ("message_new", text))) == lines


async def test_what_nothing_could_shrink_is_no_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "reznet_ws")
    async with open_site() as site, connected(site.url, NEW_WS):
        assert await logged(site, caplog, ("message_new", "x" * 5000)) == []


async def test_above_info_there_is_no_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "reznet_ws")
    async with open_site() as site:
        assert await logged(site, caplog, ("message_new", "x" * 5000)) == []
