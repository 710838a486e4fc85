"""Chunks of a text that travel together, as one chunk.

In: the data of messages in their order, each with the rule for its event. Out: which of them are one, and its data.
Never: lets a message overtake one that is no chunk, or joins what differs in anything that the rule does not name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from reznet_ws.message.json_text import dumps
from reznet_ws.settings import Join


class Chunk(NamedTuple):
    """A message that may be joined: its rule, where it belongs, and its data."""

    rule: Join
    namespace: str
    data: dict[str, Any]

    @property
    def kind(self) -> str | None:
        """What has to be equal, as JSON, so that 1 is not true; None where there is no text to join."""
        rule, data = self.rule, self.data
        if not isinstance(data.get(rule.text), str):
            return None
        free = {rule.text, *((rule.newest,) if isinstance(rule.newest, str) else rule.newest)}
        fixed = {key: None if key in free else value for key, value in data.items()}
        return dumps([rule.event, self.namespace, fixed], utf8=True)


def join_runs(messages: Sequence[Chunk | None]) -> list[list[int]]:
    """The numbers of the messages that are one, in the order in which the first of each came.

    None: a message that is no chunk. Chunks of several texts may alternate; beyond what is no chunk nothing is joined.
    """
    runs: list[list[int]] = []
    by_kind: dict[str, list[int]] = {}
    for number, chunk in enumerate(messages):
        kind = None if chunk is None else chunk.kind
        if kind is None:
            by_kind.clear()
            runs.append([number])
        elif kind in by_kind:
            by_kind[kind].append(number)
        else:
            by_kind[kind] = [number]
            runs.append(by_kind[kind])
    return runs


def join_chunks(chunks: Sequence[Chunk]) -> dict[str, Any]:
    """The data of one run: all texts, and what may differ as it was last."""
    last = chunks[-1]
    return {**last.data, last.rule.text: "".join(chunk.data[last.rule.text] for chunk in chunks)}
