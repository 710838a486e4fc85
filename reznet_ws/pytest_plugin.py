"""What pytest finds by itself where this package is installed: the fixture `socketio_lab`, and nbval's sanitizer.

In: a test's application. Out: a running lab, which is stopped behind the test.
Never: imports anything of the lab before a test asks for it: every run of pytest loads this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from reznet_ws.lab.lab import Lab

# `--nbval-sanitize-with reznet_ws` names the file in the package: what was measured is not compared.
SANITIZER_NAME = "reznet_ws"
SANITIZER = Path(__file__).parent / "lab" / "sanitize.cfg"


@pytest.hookimpl(tryfirst=True)  # before nbval opens the file
def pytest_configure(config: pytest.Config) -> None:
    """Put the path in the place of the name."""
    if getattr(config.option, "nbval_sanitize_with", None) == SANITIZER_NAME:
        config.option.nbval_sanitize_with = str(SANITIZER)


@pytest.fixture
def socketio_lab(request: pytest.FixtureRequest) -> Iterator[Callable[..., Lab]]:
    """Makes labs that have started: `socketio_lab(app, users=10, scenario=...)`, as `reznet_ws.lab.Lab` takes them.

    `app` is an ASGI application with a Socket.IO server in it, or its name, "module:app". Raises: what `Lab` and its
    `start` raise.
    """
    labs: list[Lab] = []

    def make(app: Any = None, **options: Any) -> Lab:
        from reznet_ws.lab.lab import Lab

        labs.append(Lab(**{"app": app, "name": f"{request.node.nodeid}#{len(labs)}", **options}))
        return labs[-1].start()

    yield make
    for lab in reversed(labs):
        lab.stop()
