"""`/metrics` over HTTP: the figures of one process, and of two that add up; and the dashboard that asks for them."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest
import socketio
from conformance.harness import OLD_WS, connected, end_of, new_sio, open_site
from conformance.raw import raw
from prometheus_client.parser import text_string_to_metric_families
from repo_files import ROOT

from reznet_ws import Recovery, attach
from reznet_ws.metrics import MetricsApp

SERVER = """
import socketio, uvicorn
from reznet_ws import attach
from reznet_ws.adapters.serving import listen
from reznet_ws.metrics import MetricsApp

sio = socketio.AsyncServer(async_mode="asgi")
metrics = MetricsApp(attach(sio))

@sio.event
async def connect(sid, environ):
    await sio.emit("hello", {"sid": sid}, to=sid)

app = socketio.ASGIApp(sio, other_asgi_app=metrics)
bound = listen("127.0.0.1", 0)
print(bound.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off")).run(sockets=[bound])
"""


def read(text: str) -> dict[str, float]:
    """Name -> value, of all that has no label."""
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {sample.name: sample.value for sample in samples if not sample.labels}


async def scraped(url: str, token: str | None = None) -> tuple[int, str]:
    async with raw(url) as http:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        status, _, body = await http.request("GET", "/metrics", headers=headers)
        return status, body.decode()


async def test_prometheus_is_told_what_the_figures_say() -> None:
    sio = new_sio()
    manager = attach(sio, recovery=Recovery())
    app = socketio.ASGIApp(sio, other_asgi_app=MetricsApp(manager, token="secret", events=True))
    async with open_site(sio=sio, app=app) as site, connected(site.url, OLD_WS, OLD_WS) as clients:
        await sio.emit("count", {"number": 1})
        await end_of(site, clients)
        assert (await scraped(site.url))[0] == 401
        assert (await scraped(site.url, "wrong"))[0] == 401
        status, text = await scraped(site.url, "secret")
        report, told = manager.report(), read(text)
        assert status == 200
        assert told["reznet_messages_total"] == report.total_messages == 2
        assert told["reznet_deliveries_total"] == 4
        assert told["reznet_event_bytes_total"] == report.wire.event_bytes
        assert told["reznet_connections"] == 2
        assert told["reznet_kept_events"] == 2
        assert 'reznet_by_event_deliveries_total{event="count"} 2.0' in text
        manager.reset_stats()
        await sio.emit("count", {"number": 2})
        _, text = await scraped(site.url, "secret")
        assert read(text)["reznet_messages_total"] == 3, "a counter never goes back"


async def test_two_processes_add_up_and_one_that_was_killed_counts_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    processes = await asyncio.gather(
        *(
            asyncio.create_subprocess_exec(sys.executable, "-W", "ignore", "-c", SERVER, stdout=asyncio.subprocess.PIPE)
            for _ in range(2)
        )
    )
    try:
        urls = []
        for process in processes:
            assert process.stdout is not None
            urls.append(f"http://127.0.0.1:{int(await process.stdout.readline())}")
        async with connected(urls[0], OLD_WS) as (one,), connected(urls[1], OLD_WS, OLD_WS) as (two, three):
            for client in (one, two, three):
                await client.got("hello")
            told = await _until_told(urls[0], "reznet_messages_total", 3)
            assert told["reznet_connections"] == 3
            assert told["reznet_deliveries_total"] == 3
            _, text = await scraped(urls[0])
            own = sorted(re.findall(r'reznet_process_connections{pid="\d+"} (\S+)', text))
            assert own == ["1.0", "2.0"]
            processes[1].kill()
            await processes[1].wait()
            told = read((await scraped(urls[0]))[1])
            assert (told["reznet_connections"], told["reznet_messages_total"]) == (1, 3)
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _until_told(url: str, name: str, value: float) -> dict[str, float]:
    async with asyncio.timeout(10):
        while True:
            told = read((await scraped(url))[1])
            if told[name] == value:
                return told
            await asyncio.sleep(0.05)


def test_the_dashboard_asks_for_what_there_is() -> None:
    board = json.loads((ROOT / "docs" / "grafana.json").read_text(encoding="utf-8"))
    app = MetricsApp(attach(new_sio(), recovery=Recovery()))
    there = {sample.name for family in text_string_to_metric_families(app.text().decode()) for sample in family.samples}
    targets = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked = {name for expression in targets for name in re.findall(r"reznet_\w+", expression)}
    assert len(asked) > 15
    assert asked <= there
