"""`load` refuses what compares nothing, in one line and with status 2."""

from __future__ import annotations

import pytest

from reznet_ws.__main__ import main


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--users", "0"], "--users 0"),
        (["--users", "-3"], "--users -3"),
        (["--rate", "0"], "--rate 0"),
        (["--rate", "nan"], "--rate nan"),
        (["--duration", "0"], "--duration 0"),
        (["--duration", "inf"], "--duration inf"),
        (["--duration", "0.01"], "0.2 messages"),
        (["--rounds", "0"], "--rounds 0"),
        (["--presets", "stock", "stock"], "each can be named once"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(
    capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["load", "--users", "5", "--duration", "1", "--rounds", "1", *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    [line] = printed.err.splitlines()
    assert line.startswith("reznet_ws: ")
    assert said in line
