"""The rows of the version matrix fit the ranges in pyproject; `./run versions` runs the tests on them."""

from __future__ import annotations

import pytest
from packaging.version import Version
from versions.environments import environment, installed, locked, lowest, ranges, run_tests
from versions.matrix import CHANGES, LOWEST, NEWEST, Row, choose, rows


def test_a_row_holds_the_lower_end_of_every_range_at_once() -> None:
    assert lowest().items() <= LOWEST.pins.items()
    assert set(lowest()) == set(ranges())


@pytest.mark.parametrize("package", sorted(set(CHANGES) & set(ranges())))
def test_the_rows_of_a_library_begin_at_the_lower_end_and_stay_below_the_lock(package: str) -> None:
    """The lock's version is the row without pins."""
    versions = [Version(version) for version in CHANGES[package]]
    assert versions == sorted(set(versions))
    assert versions[0] == Version(lowest()[package])
    assert versions[-1] < Version(locked()[package])
    assert all(ranges()[package].specifier.contains(version) for version in versions)


def test_a_row_is_found_by_a_part_of_its_name() -> None:
    assert choose([]) == rows()
    assert choose(["lowest", "newest"]) == [LOWEST, NEWEST]
    assert choose(["no such row"]) == []


# One of each kind: what stock's clients get, hostile packets, and the bytes at the socket. `./run versions` runs all.
REPRESENTATIVE = ("test_against_stock.py", "test_bad_input.py", "test_deflate_on_the_wire.py")


@pytest.mark.network
@pytest.mark.timeout(400)
@pytest.mark.parametrize("row", [LOWEST, NEWEST], ids=lambda row: row.name)
def test_both_ends_of_the_ranges_behave(row: Row) -> None:
    with environment(row.pins) as python:
        versions = installed(python)
        for name, version in row.pins.items():
            assert not version or Version(versions[name]) == Version(version)
        outcome = run_tests(python, [f"tests/conformance/{name}" for name in REPRESENTATIVE], workers=1)
    assert outcome.is_good, outcome.log[-4000:]
