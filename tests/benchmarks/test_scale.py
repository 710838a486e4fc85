"""What is worked out for many clients follows from what was measured for few."""

from __future__ import annotations

import re

from benchmarks.scale import Scale, _measured, _paper


def scale(processes: int, cpu_s: float) -> Scale:
    return Scale(
        processes=processes,
        clients=100,
        emissions=1000,
        deliveries=10_000,
        cpu_s=cpu_s,
        redis_cpu_s=0.05,
        redis_bytes=1_200_000.0,
        connection_bytes=50_000.0,
    )


def cells(lines: list[str], first: str) -> list[str]:
    found = next(line for line in lines if line.startswith(f"| {first} "))
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_twice_the_processors_deliver_twice_as_much_where_several_cost_nothing_more() -> None:
    lines = _measured(scale(1, 0.2), scale(2, 0.2))
    assert cells(lines, "CPU a delivery, µs")[1:] == ["20.0", "20.0"]
    assert cells(lines, "deliveries that the processors could make, against one")[1:] == ["1.00", "2.00"]
    paper = _paper(scale(1, 0.2), scale(2, 0.2), per_room=10)
    # 100,000 deliveries a second of 20 µs, each process busy for 60 %: 3.3 of them.
    assert cells(paper, "1 a second")[1:4] == ["10,000", "4", "5.0"]


def test_what_each_process_pays_for_each_message_ends_it_whatever_their_number() -> None:
    paper = _paper(scale(1, 0.2), scale(2, 0.3), per_room=10)  # 100 µs a message
    assert "ends at 6,000 messages a second" in paper[-1]
    assert cells(paper, "1 a second")[2] == "no number is enough"
    # 1,000 messages take 10 % of each, 10,000 deliveries 0.2 of one.
    assert cells(paper, "0.1 a second")[1:3] == ["1,000", "1"]
    assert re.search(r"100 µs more", paper[-1])
