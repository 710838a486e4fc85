"""One target under Atheris, whose loop never returns: `process.py TARGET [libFuzzer's flags and folders ...]`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))
with atheris.instrument_imports(include=["reznet_ws"]):
    from fuzz.targets import TARGETS

logging.disable()  # what is dropped goes to the log, a line for each input
name, *flags = sys.argv[1:]
for number, seed in enumerate(TARGETS[name].seeds):
    (Path(flags[-1]) / f"seed-{number}").write_bytes(seed)
atheris.Setup([sys.argv[0], *flags], TARGETS[name].run)
atheris.Fuzz()
