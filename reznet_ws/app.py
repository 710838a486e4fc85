"""The agent-chat application, for `uvicorn reznet_ws.app:app`; `python -m reznet_ws serve` has options."""

from reznet_ws.chat import Application

app = Application()
