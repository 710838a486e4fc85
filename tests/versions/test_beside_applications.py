"""Real applications, their own requirements as they publish them, take the package in beside them."""

from __future__ import annotations

import pytest
from versions.environments import ROOT, CannotInstall, resolve

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(300)]

# Four that carry python-socketio: the first pins it exactly, and fastapi, aiohttp and uvicorn too.
APPLICATIONS = ("open-webui==0.12.4", "nicegui==3.18.0", "chainlit==2.12.0", "reflex==0.10.1")


@pytest.mark.parametrize("application", APPLICATIONS)
def test_it_resolves_beside(application: str) -> None:
    found = resolve([application, f"reznet-ws[client,fastapi,serve] @ {ROOT.as_uri()}"])
    assert found[application.partition("==")[0]] == application.partition("==")[2]
    assert "reznet-ws" in found


def test_what_cannot_be_together_is_noticed() -> None:
    with pytest.raises(CannotInstall, match="python-socketio"):
        resolve(["python-socketio==5.0.0", f"reznet-ws @ {ROOT.as_uri()}"])
