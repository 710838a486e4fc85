"""What the tests send that is as the lab's."""

from __future__ import annotations

import itertools

import pytest

from reznet_ws.demo.workload import generate
from reznet_ws.message.packet import Message, pack
from reznet_ws.message.payload import PayloadOptimizer


@pytest.fixture(scope="module")
def chat() -> list[bytes]:
    """The agents' traffic as it travels."""
    optimizer = PayloadOptimizer()
    return [
        pack([Message(m.event, (optimizer.encode(optimizer.encode_plain(m.data)),))], utf8=True).text.encode()
        for m in itertools.islice(generate(1, 20), 1500)
    ]
