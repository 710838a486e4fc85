"""A secret guessed by the sizes of frames, as CRIME and BREACH did: what `never_compress` is for.

In: a secret and guesses, as events. Out: how long the secret's frame is after each guess.
Never: attacks anything: it computes what somebody at the same window would see.
"""

from __future__ import annotations

from collections.abc import Mapping

from reznet_ws.replay.link import as_text
from reznet_ws.replay.members import Members
from reznet_ws.replay.trace import Event


def guess_sizes(secret: Event, guesses: Mapping[str, Event]) -> dict[str, int]:
    """How long the secret's frame is after somebody else's message with each guess, all in step at one window."""
    sizes = {}
    for name, guess in guesses.items():
        room = Members(3)
        room.send(as_text(guess))
        sizes[name] = len(room.send(as_text(secret))[0])
    return sizes


def guess_digits(secret: Event, question: str, count: int) -> list[dict[str, int]]:
    """The secret's sizes after each of ten questions, digit by digit; the shortest is taken for right and kept.

    `question` has `{}` where the digits go, those found and one more.
    """
    found, rounds = "", []
    for _ in range(count):
        guesses = {digit: ("support_request", {"text": question.format(found + digit)}) for digit in "0123456789"}
        rounds.append(guess_sizes(secret, guesses))
        found += min(rounds[-1], key=rounds[-1].__getitem__)
    return rounds
