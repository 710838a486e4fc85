"""The agent-chat application, for `uvicorn reznet_ws.demo.app:app`; `python -m reznet_ws serve` has options."""

from reznet_ws.demo.chat import Application

app = Application()
