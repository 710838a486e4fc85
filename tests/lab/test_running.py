"""What runs is known by its name until it stops."""

from __future__ import annotations

from reznet_ws.lab.running import Running


class Thing:
    def __init__(self, running: Running, name: str) -> None:
        self._running, self._name = running, name
        self.is_running = True
        running.begin(self, name)

    def stop(self) -> None:
        self.is_running = False
        self._running.end(self, self._name)


def test_one_is_stopped_by_its_name_and_all_without_one() -> None:
    running = Running()
    things = [Thing(running, name) for name in "abc"]
    running.stop("b")
    assert [thing.is_running for thing in things] == [True, False, True]
    running.stop("b")
    running.stop()
    assert not any(thing.is_running for thing in things)


def test_who_was_replaced_ends_without_taking_the_new_one_along() -> None:
    running = Running()
    old, new = (Thing(running, "a") for _ in range(2))
    assert not running.end(old, "a")
    running.stop()
    assert (old.is_running, new.is_running) == (True, False)
    assert not running.end(new, "a")
