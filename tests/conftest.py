"""What all tests share: a busy machine must fail none of them, and each says by itself what it needs.

A test that takes a fixture of NEEDS, or lies in one of FOLDERS, has the marker; by hand there is only what neither can
tell. `pytest` alone leaves the marked ones out and tries fewer examples, `./run test` runs all (pyproject.toml).
"""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

QUICK_EXAMPLES = 5
hypothesis.settings.register_profile("whole", deadline=None)
hypothesis.settings.register_profile("quick", deadline=None, max_examples=QUICK_EXAMPLES)

TESTS = Path(__file__).parent
# Fixture -> what whoever takes it needs, however far down.
NEEDS = {"browser": "browser", "page": "browser", "node_path": "node", "redis_url": "redis"}
# Real servers, whole audits, hundreds of each: minutes; but for a few files that show what is broken.
FOLDERS = {"audit": "slow", "benchmarks": "slow", "browser": "browser", "conformance": "slow", "lab": "slow"}
QUICK = {
    "audit/test_engineio_log.py",
    "audit/test_json_stream.py",
    "audit/test_jsonl.py",
    "audit/test_protocol.py",
    "audit/test_reading.py",
    "benchmarks/test_results.py",
    "benchmarks/test_sequence.py",
    "benchmarks/test_topologies.py",
    "conformance/test_drop_in.py",
}


def pytest_configure(config: pytest.Config) -> None:
    """As many examples as the tests say, where all tests run."""
    hypothesis.settings.load_profile("quick" if config.option.markexpr else "whole")


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what a test needs."""
    for item in items:
        found = {NEEDS[name] for name in getattr(item, "fixturenames", ()) if name in NEEDS}
        if item.path.is_relative_to(TESTS):
            file = item.path.relative_to(TESTS)
            if file.as_posix() not in QUICK:
                found |= {FOLDERS[folder] for folder in file.parts[:-1] if folder in FOLDERS}
        for marker in sorted(found):
            item.add_marker(marker)
