"""What all tests share: a busy machine must fail none of them, and each says by itself what it needs.

A test that takes a fixture of NEEDS, or lies in one of FOLDERS, has the marker; by hand there is only what neither can
tell. `pytest` alone leaves the marked ones out, `./run test` runs all (pyproject.toml).
"""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("repo", deadline=None)
hypothesis.settings.load_profile("repo")

TESTS = Path(__file__).parent
# Fixture -> what whoever takes it needs, however far down.
NEEDS = {"browser": "browser", "page": "browser", "node_path": "node", "redis_url": "redis"}
FOLDERS = {"browser": "browser"}


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what a test needs."""
    for item in items:
        folders = item.path.relative_to(TESTS).parts[:-1] if item.path.is_relative_to(TESTS) else ()
        found = {NEEDS[name] for name in getattr(item, "fixturenames", ()) if name in NEEDS}
        for marker in sorted(found | {FOLDERS[name] for name in folders if name in FOLDERS}):
            item.add_marker(marker)
