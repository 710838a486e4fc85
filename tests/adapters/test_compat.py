"""Every private name is there; where one is not, that part is left to stock, and said once."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import socketio
from conformance.harness import KINDS, connected, end_of, new_sio, open_site

from reznet_ws import attach
from reznet_ws.adapters import compat

LIBRARIES = ("python-socketio", "python-socketio, for recovery", "python-engineio", "uvicorn", "websockets")


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    compat.fits.cache_clear()
    yield
    compat.fits.cache_clear()


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_installed_version_has_all_names(library: str) -> None:
    assert compat.missing(library) == []
    assert compat.fits(library)


def test_each_name_says_what_it_is_for() -> None:
    listed = list(compat.names())
    assert len({(library, name) for library, name, _ in listed}) == len(listed)
    assert {library for library, _, _ in listed} == set(LIBRARIES)
    assert all(purpose for _, _, purpose in listed)


def lacks(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """As if a later version had renamed something."""
    names = {"renamed.module": {"Thing.gone": "what it was for"}}
    monkeypatch.setitem(compat._ON_CLASSES, library, {**compat._ON_CLASSES[library], **names})


@pytest.mark.parametrize("library", ["uvicorn", "websockets"])
async def test_under_a_version_that_lacks_a_name_connections_are_left_to_stock_and_named_uncounted(
    library: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "reznet_ws")
    lacks(monkeypatch, library)
    async with open_site() as site, connected(site.url, *KINDS) as clients:
        await site.sio.emit("message_new", {"content": "x"})
        await end_of(site, clients)
        for client in clients:
            assert client.events[0].args == ({"content": "x"},)
        assert site.wire["uncounted_connections"] > 0
    said = [record.getMessage() for record in caplog.records if library in record.getMessage()]
    assert len(said) == 1
    assert "renamed.module.Thing.gone (what it was for)" in said[0]


async def test_where_a_library_is_not_installed_everything_works_by_stocks_way(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As under uvicorn with `wsproto` alone."""

    def gone(name: str) -> str:
        raise compat.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(compat.metadata, "version", gone)
    lacks(monkeypatch, "websockets")
    async with open_site(ws="wsproto") as site, connected(site.url, *KINDS) as clients:
        await site.sio.emit("message_new", {"content": "x"})
        await end_of(site, clients)
    assert "websockets, which is not installed, lacks" in caplog.text


@pytest.mark.parametrize("library", ["python-socketio", "python-engineio"])
def test_a_server_that_cannot_be_served_is_refused_with_the_reason(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacks(monkeypatch, library)
    sio = new_sio()
    with pytest.raises(TypeError, match=r"lacks renamed\.module\.Thing\.gone \(what it was for\)"):
        attach(sio)
    assert type(sio) is socketio.AsyncServer


def test_where_the_bound_on_a_message_has_no_known_name_nothing_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "SIZE_NAMES", ())
    compat.size_name.cache_clear()
    try:
        assert not compat.fits("websockets")
    finally:
        compat.size_name.cache_clear()
