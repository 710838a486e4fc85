"""One application as its users run it: a process of its own, in an environment of its own.

In: the environment, the command, with the line or without. Out: its address, what it answers to a probe, its log.
Never: leaves a process behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

PROGRAMS = Path(__file__).parent / "programs"
STOCK_CLIENT = PROGRAMS.parents[2] / "reznet_ws/client/js/node_modules/socket.io-client/dist/socket.io.esm.min.js"
START_S = 90.0
STOP_S = 15.0
# What a log says when something went wrong.
COMPLAINT = re.compile(r"traceback|error|exception|critical|warning|never awaited", re.IGNORECASE)


@dataclass
class Program:
    """A running application."""

    url: str
    log_path: Path
    process: asyncio.subprocess.Process

    async def ask(self, path: str = "/probe", method: str = "GET") -> Any:
        """Its answer, past the tap."""
        return await asyncio.to_thread(self._ask, path, method)

    def _ask(self, path: str, method: str) -> Any:
        with urlopen(Request(self.url + path, method=method), timeout=10) as answer:
            return json.load(answer)

    async def stop(self) -> bool:
        """End it as a supervisor does; whether it went by itself, its clients still there."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), STOP_S)
            return True
        return False

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def complaints(self) -> list[str]:
        return [line for line in self.log.splitlines() if COMPLAINT.search(line)]

    async def come_up(self) -> None:
        """Wait until it answers. Raises: RuntimeError or TimeoutError with its log."""
        try:
            async with asyncio.timeout(START_S):
                while self.process.returncode is None:
                    with contextlib.suppress(OSError):
                        await self.ask()
                        return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise TimeoutError(f"it did not come up within {START_S:.0f} s:\n{self.log}") from None
        raise RuntimeError(f"ended with {self.process.returncode}:\n{self.log}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port: int = bound.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def running(command: Sequence[str], folder: Path, *, has_line: bool) -> AsyncIterator[Program]:
    """Start a command, its `{port}` filled in, in a folder that is its own; nothing of it is left at the end."""
    port = free_port()
    log_path = folder.with_suffix(".log")
    environment = {
        **os.environ,
        "PORT": str(port),
        "REZNET_LINE": "1" if has_line else "0",
        "PYTHONPATH": str(PROGRAMS),
        "STOCK_CLIENT": str(STOCK_CLIENT),
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(part.format(port=port) for part in command),
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that its workers can be ended with it
        )
    program = Program(f"http://127.0.0.1:{port}", log_path, process)
    try:
        await program.come_up()
        yield program
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
