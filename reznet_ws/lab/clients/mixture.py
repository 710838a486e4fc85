"""Which format each of many clients asks for.

In: shares of formats. Out: a format for each client's number, so that the shares hold for the first few as for all.
Never: connects anybody.
"""

from __future__ import annotations

from collections.abc import Mapping

# Format -> what a client says when it connects.
FORMATS: Mapping[str, str] = {"plain": "", "abbreviated": "reznet=2", "rows": "reznet=3", "packed": "reznet=m"}
# What those take that no share is given to.
USUAL_FORMAT = "abbreviated"
# Shares that are meant to be 1 together may not quite be.
_ROUNDING = 1e-6

Shares = Mapping[str, float]


def check_shares(shares: Shares) -> dict[str, float]:
    """The same shares without that of the usual format, which takes what is left. Raises: ValueError."""
    if unknown := sorted(set(shares) - set(FORMATS)):
        raise ValueError(f"{', '.join(unknown)}: no such format; there are {', '.join(FORMATS)}")
    given = {name: share for name, share in shares.items() if name != USUAL_FORMAT}
    if any(not 0 <= share <= 1 for share in given.values()) or sum(given.values()) > 1 + _ROUNDING:
        raise ValueError(f"formats is {dict(shares)!r}; shares are from 0 to 1, and 1 at most together")
    return given


def format_of(number: int, shares: Shares) -> str:
    """The format of one client, from 0."""
    left = 1.0
    for name, share in shares.items():
        if share <= 0:
            continue
        part = 1.0 if share >= left - _ROUNDING else share / left
        if has_share(number, part):
            return name
        # From here on only those count that have not been given theirs.
        number -= int(number * part + _ROUNDING)
        left -= share
    return USUAL_FORMAT


def has_share(number: int, share: float) -> bool:
    """Whether one client, from 0, is among a share of all."""
    return int((number + 1) * share + _ROUNDING) > int(number * share + _ROUNDING)
