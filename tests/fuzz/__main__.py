"""Fuzz the targets by name, or all of them, one after another: `./run fuzz [--seconds 60] [TARGET ...]`.

In: names. Out: how many inputs each was given and what it found; an input that broke one lies in test-results/fuzz,
and is given again first at the next run. Never: goes on with a target after its first find.

Each runs in a process of its own under Atheris, which instruments our modules and bends inputs towards lines and
branches that no input reached before.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from repo_files import ROOT

FOUND = ROOT / "test-results/fuzz"
# A single input that takes longer is a find of its own.
_TIMEOUT_S = 10
_MEMORY_MB = 2048


@dataclass(frozen=True)
class Run:
    """What one target's run came to."""

    inputs: int
    is_good: bool
    log: str


def fuzz(name: str, seconds: float, *, max_bytes: int = 4096) -> Run:
    """Run one target for so long."""
    corpus = FOUND / name
    corpus.mkdir(parents=True, exist_ok=True)
    flags = [
        f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={max_bytes}",
        f"-timeout={_TIMEOUT_S}",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-artifact_prefix={corpus}/",
        "-print_final_stats=1",
    ]
    command = [sys.executable, str(Path(__file__).with_name("process.py")), name, *flags, str(corpus)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
    inputs = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    return Run(int(inputs[1]) if inputs else 0, done.returncode == 0, done.stdout + done.stderr)


def main() -> int:
    """Fuzz what was asked for."""
    from fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="./run fuzz", description=__doc__.split("\n", 1)[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=float, default=60, help="for each target (default: %(default)g)")
    asked = parser.parse_args()
    if unknown := set(asked.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    bad = 0
    for name in asked.targets or TARGETS:
        print(f"{name:18} …", end=" ", flush=True)
        run = fuzz(name, asked.seconds)
        print(
            f"{run.inputs:>10,} inputs,", "nothing found" if run.is_good else f"FOUND, see {FOUND / name}", flush=True
        )
        if not run.is_good:
            print(run.log[-3000:])
            bad += 1
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
