"""Under TLS the figures hold what encryption adds: a proxy that passes ciphertext on counts the same, to the byte."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
import uvloop
from conformance.harness import TIMEOUT_S, open_site, until

from reznet_ws.adapters.tls import record_overhead
from reznet_ws.lab.clients.proxy import proxying
from reznet_ws.settings import Settings

CIPHERS = {
    "TLS 1.3": (ssl.TLSVersion.TLSv1_3, None),
    "TLS 1.2, GCM": (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-GCM-SHA256"),
    "TLS 1.2, ChaCha20": (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-CHACHA20-POLY1305"),
}
# Three records.
LARGE = "x" * 40_000


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    openssl = shutil.which("openssl")
    assert openssl is not None, "these tests need openssl on the PATH"
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([openssl, *command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return key, certificate


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("kind", CIPHERS)
def test_the_ledger_counts_what_tls_adds(certificate: tuple[Path, Path], kind: str, new_loop: type) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_count(certificate, kind))


async def _count(certificate: tuple[Path, Path], kind: str) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version, ciphers = CIPHERS[kind]
    if ciphers is not None:
        context.maximum_version = context.minimum_version
        context.set_ciphers(ciphers)
    key, path = map(str, certificate)
    async with (
        # Named, since uvicorn's own choice was once "TLSv1", which has none of these.
        open_site(Settings(), ssl_keyfile=key, ssl_certfile=path, ssl_ciphers=ciphers or "DEFAULT") as site,
        proxying(site.url) as proxy,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT_S)) as session,
    ):

        async def everything_is_counted() -> None:
            await until(lambda: site.wire["sent_bytes"] == proxy.from_server, "the same count")

        url = proxy.url.replace("http:", "https:") + "/socket.io/?EIO=4&transport="
        async with session.get(f"{url}polling", ssl=context) as answer:
            polling = f"{url}polling&sid={json.loads((await answer.text())[1:])['sid']}"
        async with session.post(polling, data="40", ssl=context) as answer:
            assert await answer.text() == "OK"  # read, or the client ends the connection, with an alert more
        clients = [await session.ws_connect(f"{url}websocket", compress=15, ssl=context) for _ in range(3)]
        for client in clients:
            await client.receive(TIMEOUT_S)
            await client.send_str("40")
            await client.receive(TIMEOUT_S)
        await everything_is_counted()
        for number in range(20):
            await site.sio.emit("n", {"number": number, "large": LARGE if number == 10 else ""})
        async with session.get(polling, ssl=context) as answer:
            assert LARGE in await answer.text()
        for client in clients:
            for _ in range(20):
                await client.receive(TIMEOUT_S)
        await everything_is_counted()
        assert site.wire["event_bytes"] < site.wire["sent_bytes"] - site.wire["tls_bytes"]
        assert site.wire["tls_bytes"] > 4 * 1000  # four handshakes with a certificate, and a record for each write
        for client in clients:
            await client.close()
        await everything_is_counted()


async def test_without_tls_nothing_is_added() -> None:
    async with open_site() as site, aiohttp.ClientSession() as session:
        async with session.get(f"{site.url}/socket.io/?EIO=4&transport=polling") as answer:
            assert answer.status == 200
        assert site.wire["sent_bytes"] > site.wire["tls_bytes"] == 0


@pytest.mark.parametrize(
    ("version", "name", "added_bytes"),
    [
        ("TLSv1.3", "TLS_AES_256_GCM_SHA384", 22),
        ("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256", 22),
        ("TLSv1.3", "TLS_AES_128_CCM_8_SHA256", 14),
        ("TLSv1.2", "ECDHE-ECDSA-AES128-CCM8", 21),
        ("TLSv1.2", "ECDHE-RSA-AES256-SHA384", None),
    ],
)
def test_what_a_record_takes_is_known_where_the_suite_does_not_pad(
    version: str, name: str, added_bytes: int | None
) -> None:
    tls = SimpleNamespace(version=lambda: version, cipher=lambda: (name, version, 256))
    assert record_overhead(tls) == added_bytes
