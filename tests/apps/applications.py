"""The applications that are driven: which release, behind which server, by which session.

In: nothing. Out: one table. Never: knows how they are run or compared.
"""

from __future__ import annotations

from dataclasses import dataclass

from apps import sessions
from apps.program import PROGRAMS
from apps.sessions import Session


@dataclass(frozen=True)
class Application:
    """One application behind one server; `{bin}` is its environment's folder, `{port}` where it shall listen."""

    name: str
    requirement: str
    server: str
    command: tuple[str, ...]
    session: Session
    folder: str = ""  # of programs, copied to where it runs
    # Most wire bytes with the line, as a share of those without it.
    target: float = 0.95
    is_taken_over: bool = True


# The newest releases on 28 November 2026; `--newest` takes today's.
NICEGUI, CHAINLIT, REFLEX = "nicegui==3.18.0", "chainlit==2.12.0", "reflex==0.10.1"

CHAINLIT_RUN = (
    *("{bin}/chainlit", "run", str(PROGRAMS / "chainlit_app.py"), "--headless"),
    *("--host", "127.0.0.1", "--port", "{port}"),
)

APPLICATIONS = (
    Application(
        "NiceGUI",
        NICEGUI,
        "ui.run: uvicorn with wsproto",
        ("{bin}/python", str(PROGRAMS / "nicegui_app.py"), "run"),
        sessions.nicegui,
        # Its 15-bit window for each connection is what ours is: there is nothing to win, and nothing may be lost.
        target=1.0,
    ),
    Application(
        "NiceGUI",
        NICEGUI,
        "ui.run_with: uvicorn",
        ("{bin}/python", str(PROGRAMS / "nicegui_app.py"), "run_with"),
        sessions.nicegui,
    ),
    Application(
        "Chainlit",
        CHAINLIT,
        "chainlit run: uvicorn with wsproto",  # which uvicorn takes where nobody has installed websockets
        ("env", "UVICORN_WS_PROTOCOL=wsproto", *CHAINLIT_RUN),
        sessions.chainlit,
        target=1.0,  # as for NiceGUI
    ),
    Application("Chainlit", CHAINLIT, "chainlit run: uvicorn", CHAINLIT_RUN, sessions.chainlit),
    Application(
        "Reflex",
        REFLEX,
        "reflex run: granian",
        (
            *("{bin}/reflex", "run", "--env", "prod", "--backend-only"),
            *("--backend-host", "127.0.0.1", "--backend-port", "{port}"),
        ),
        sessions.reflex,
        folder="reflex_chat",
        # granian has no compression and lets nobody frame for it: stock clients get what they got.
        target=1.0,
        is_taken_over=False,
    ),
    Application(
        "Reflex",
        REFLEX,
        "uvicorn",
        # What `reflex run` says to gunicorn in production, without gunicorn.
        (
            *("env", "__REFLEX_SKIP_COMPILE=true", "REFLEX_ENV_MODE=prod"),
            *("{bin}/python", "-m", "uvicorn", "--factory", "chat.chat:app", "--port", "{port}"),
        ),
        sessions.reflex,
        folder="reflex_chat",
    ),
)
