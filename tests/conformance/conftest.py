"""What tests in this folder run on both: a stock server and ours."""

from __future__ import annotations

import pytest
from conformance.harness import WAYS, Way


@pytest.fixture(params=WAYS, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found
