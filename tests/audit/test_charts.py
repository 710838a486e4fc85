"""Every picture says what was found, in which unit, of how many, counted where; no name is taken for markup."""

from __future__ import annotations

import html
import itertools
import json
import re

import pytest

from reznet_ws.audit.examine.findings import Findings
from reznet_ws.audit.show.pictures import draw_all, draw_overview
from reznet_ws.audit.show.settings_charts import draw_shares, draw_sweeps, sweep_axis
from reznet_ws.audit.show.traffic_charts import draw_events
from reznet_ws.draw.look import LAYER_COLOURS
from reznet_ws.draw.picture import Picture

NAMES = ["compare", "front", "shares", "events", "repeats", "field map", "sent"]


@pytest.fixture(scope="module")
def pictures(audited: Findings) -> dict[str, Picture]:
    return draw_all(audited)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_names_n_place_and_unit(pictures: dict[str, Picture], name: str) -> None:
    picture = pictures[name]
    title = picture.figure.layout.title.text
    assert re.search(r"n = \d+ messages from (the server|clients), \w+", title)
    units = " ".join(filter(None, (picture.figure.layout.xaxis.title.text, picture.figure.layout.yaxis.title.text)))
    assert re.search(r"kB on the wire|% of the bytes", units)
    assert repr(picture)


def test_times_are_said_to_be_this_machines(pictures: dict[str, Picture]) -> None:
    assert "CPU times are this machine's" in pictures["front"].figure.layout.title.text


def test_there_is_a_picture_of_every_sweep(audited: Findings, pictures: dict[str, Picture]) -> None:
    swept = [name for name in pictures if name.startswith("sweep ")]
    assert len(swept) == len(audited.sweeps) >= 5
    together = draw_sweeps(audited).figure
    assert len(together.data) == len(audited.sweeps)
    assert len({sweep_axis(sweep) for sweep in audited.sweeps}) == len(audited.sweeps)
    for sweep, line in zip(audited.sweeps, together.data, strict=True):
        assert len(line.x) == len(sweep.values)


def test_the_steps_lead_from_no_layer_to_all_of_them(audited: Findings) -> None:
    (bar,) = draw_shares(audited).figure.data
    assert bar.x[0] == "no layer"
    assert bar.x[-1] == "all layers"
    everything = next(row for row in audited.subsets if len(row.layers) == len(LAYER_COLOURS))
    assert bar.y[-1] == pytest.approx(everything.wire_bytes / 1000)
    edges = [{base, base + height} for base, height in zip(bar.base, bar.y, strict=True)]
    for before, after in itertools.pairwise(edges):
        assert any(one == pytest.approx(other) for one in before for other in after)
    colours = dict(zip(bar.x, bar.marker.color, strict=True))
    assert {layer: colours[layer] for layer in LAYER_COLOURS} == LAYER_COLOURS


def test_all_that_was_tried_is_a_dot_and_the_front_is_numbered(audited: Findings, pictures: dict[str, Picture]) -> None:
    dots, front = pictures["front"].figure.data
    labels = {row.label for row in audited.subsets} | {row.label for sweep in audited.sweeps for row in sweep.rows}
    assert len(dots.x) == len(labels)
    assert list(front.text) == [str(number) for number in range(1, len(audited.front) + 1)]
    assert list(front.x) == sorted(front.x)


def test_no_name_is_taken_for_markup_or_a_number(hostile: Findings) -> None:
    picture = draw_events(hostile)
    texts = [annotation.text for annotation in picture.figure.layout.annotations]
    assert texts
    for text in [*texts, picture.figure.layout.title.text]:
        # Ours are bold type, a line's end and a smaller size; anything else would be a name's.
        assert set(re.findall(r"<\W?(\w+)", text)) <= {"b", "br", "span"}
    assert "&lt;img" in texts[0]
    assert "<img" in html.unescape(texts[0])
    assert all(character.isprintable() or character == "\n" for character in repr(picture))


def test_the_overview_has_the_four_main_pictures(audited: Findings, pictures: dict[str, Picture]) -> None:
    figure = draw_overview(audited, "It saves <b>bytes</b>")
    assert "&lt;b&gt;bytes" in figure.layout.title.text
    said = json.dumps([annotation.text for annotation in figure.layout.annotations], ensure_ascii=False)
    assert all(title in said for title in ("What is sent", "Every choice", "What each layer takes off", "Events"))
    assert len(figure.data) == sum(len(pictures[name].figure.data) for name in NAMES[:4])


def test_without_a_verdict_only_what_clients_send_is_drawn(nothing_from_the_server: Findings) -> None:
    assert list(draw_all(nothing_from_the_server)) == ["sent"]
