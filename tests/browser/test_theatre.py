"""The frame theatre in JupyterLab in Chromium: frames that move, and one that is clicked and taken apart."""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from browser.labserver import cell_errors, change_theme, chromium, jupyterlab, open_notebook, run_all
from playwright.sync_api import Locator, Page, expect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NAME = "theatre.ipynb"
CELLS = (
    "from reznet_ws.lab import Lab\nlab = Lab(name='stage', users=8, formats={'plain': 0.25, 'rows': 0.25}).start()",
    "lab.theatre()",
)
MOVE_MS = 30_000
# What reaches beyond the theatre; of a lane's boxes that is meant.
OVER_THE_EDGE = """theatre => [...theatre.querySelectorAll(':not(.track *, option)')]
    .filter(one => one.getBoundingClientRect().right > theatre.getBoundingClientRect().right + 1)
    .map(one => one.outerHTML)"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A notebook of two cells, run."""
    folder = tmp_path_factory.mktemp("theatre")
    with jupyterlab(folder) as url, chromium() as browser:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, folder / "notebooks" / NAME)
        page = browser.new_page(viewport={"width": 1280, "height": 1400})
        open_notebook(page, url, NAME)
        run_all(page)
        assert cell_errors(page) == []
        page.wait_for_selector(".reznet-theatre .lane .track li:nth-child(6)", timeout=MOVE_MS)
        yield page


@pytest.fixture
def theatre(page: Page) -> Locator:
    return page.locator(".reznet-theatre")


def numbers(theatre: Locator) -> list[int]:
    """The frames of the first lane, newest first."""
    frames = theatre.locator(".lane").first.locator(".frame").all()
    return [int(frame.get_attribute("data-number") or 0) for frame in frames]


def test_a_frame_that_is_clicked_is_taken_apart_into_all_its_bytes(page: Page, theatre: Locator) -> None:
    expect(theatre.locator(".lane")).to_have_count(6)
    expect(theatre.locator(".client", has_text="rows").first).to_be_visible()
    theatre.locator(".stage").hover(position={"x": 60, "y": 20})
    frame = theatre.locator(".lane").first.locator(".frame").nth(1)
    said = frame.get_attribute("aria-label") or ""
    (number, size) = (int(part.replace(",", "")) for part in re.findall(r"frame (\d+), .*?, ([\d,]+) bytes", said)[0])
    assert frame.bounding_box()["width"] == pytest.approx(max(3, size), abs=1)  # type: ignore[index]
    frame.click()
    total = theatre.locator(".detail .sums .total").first
    expect(total).to_have_attribute("data-bytes", str(size), timeout=MOVE_MS)
    expect(frame).to_have_attribute("data-chosen", "")
    parts = [int(row.get_attribute("data-bits") or 0) for row in theatre.locator(".sums [data-part]").all()]
    assert len(parts) >= 2
    assert sum(parts) == int(total.get_attribute("data-bits") or 0) == 8 * size
    assert str(number) in (frame.get_attribute("data-number") or "")
    expect(theatre.locator(".step h5").first).to_contain_text("JSON")


def test_beside_it_stands_the_same_message_with_a_layer_the_other_way(page: Page, theatre: Locator) -> None:
    switch = theatre.get_by_role("button", name="deflate off")
    switch.click()
    expect(theatre.locator(".half")).to_have_count(2, timeout=MOVE_MS)
    before, after = (int(row.get_attribute("data-bytes") or 0) for row in theatre.locator(".sums .total").all())
    assert after > before
    bits = theatre.locator(".half").nth(1).locator("[data-part]").all()
    assert sum(int(row.get_attribute("data-bits") or 0) for row in bits) == 8 * after
    switch.click()
    expect(theatre.locator(".half")).to_have_count(1, timeout=MOVE_MS)


def test_frames_come_while_nobody_points_at_them_and_hold_still_for_the_keyboard(page: Page, theatre: Locator) -> None:
    page.mouse.move(5, 5)
    first = numbers(theatre)[0]
    expect(theatre.get_by_role("status")).to_contain_text("live", timeout=MOVE_MS)
    page.wait_for_function(
        "first => Number(document.querySelector('.reznet-theatre .frame').dataset.number) > first",
        arg=first,
        timeout=MOVE_MS,
    )
    theatre.locator(".frame[tabindex='0']").first.focus()
    expect(theatre.get_by_role("status")).to_contain_text("holding", timeout=MOVE_MS)
    held = numbers(theatre)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    chosen = page.evaluate("document.activeElement.dataset.number")
    page.keyboard.press("Enter")
    expect(theatre.locator(".frame[data-chosen]").first).to_have_attribute("data-number", chosen, timeout=MOVE_MS)
    assert numbers(theatre) == held
    page.evaluate("document.activeElement.blur()")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_nothing_sticks_out_at_any_width(page: Page, theatre: Locator, theme: str, tmp_path: Path) -> None:
    change_theme(page, theme)
    if not theatre.locator(".half").count():
        theatre.locator(".frame").first.click()
    if theatre.locator(".half").count() < 2:
        theatre.locator("[data-switch='deflate_takeover']").click()
        expect(theatre.locator(".half")).to_have_count(2, timeout=MOVE_MS)
    for width in (1024, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 1400})
        page.wait_for_function("width => document.querySelector('.reznet-theatre').clientWidth < width", arg=width)
        theatre.screenshot(path=tmp_path / f"{width}.png")
        wide = theatre.evaluate(OVER_THE_EDGE)
        assert wide == [], (width, tmp_path)
