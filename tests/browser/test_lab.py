"""The first notebook in JupyterLab in Chromium: what a newcomer sees and clicks."""

import math
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser.labserver import (
    ROOT,
    cell_errors,
    change_theme,
    chromium,
    jupyterlab,
    open_notebook,
    run_all_but_the_last,
    wait_until_run,
)
from playwright.sync_api import Locator, Page, expect

from reznet_ws.replay.ablation import LAYERS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NAME = "01-live-dashboard.ipynb"
PICTURE = ROOT / "notebooks" / "images" / "dashboard.png"
UPDATE = os.environ.get("REZNET_UPDATE_PICTURES") == "1"
WIDTH, HEIGHT = 1280, 1000
MOVE_MS = 30_000
THEMES = ("JupyterLab Light", "JupyterLab Dark")
REDUCTION = "fewer bytes on the wire"

# What reaches beyond the dashboard or the window, or holds text that its box cuts off. A slider's handle and plotly's
# marks lie over their boxes on purpose; plotly's texts count.
CUT_OFF = """dashboard => {
    const found = [];
    const frame = dashboard.getBoundingClientRect();
    const say = element => `${element.tagName}.${element.getAttribute('class')} "${element.textContent.slice(0, 40)}"`;
    if (frame.left < 0 || frame.right > window.innerWidth) found.push(`the dashboard: ${frame.left} to ${frame.right}`);
    for (const element of dashboard.querySelectorAll('*')) {
        const inside = element.closest('svg') ? element.tagName === 'text' && element.textContent : true;
        const box = element.getBoundingClientRect();
        if (!inside || !box.width || element.closest('.noUi-base')) continue;
        if (box.left < frame.left - 1 || box.right > frame.right + 1) found.push(`${say(element)} sticks out sideways`);
        if (box.top < frame.top - 1 || box.bottom > frame.bottom + 1) found.push(`${say(element)} sticks out`);
        const holdsText = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
        if (!holdsText || element.closest('svg') || element.matches('style, option')) continue;
        if (element.clientWidth && element.scrollWidth > element.clientWidth + 1) found.push(`${say(element)} is cut`);
    }
    return found;
}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The notebook, every cell run but the last, which stops the lab."""
    with jupyterlab(tmp_path_factory.mktemp("lab")) as url, chromium() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=2)
        open_notebook(page, url, NAME)
        run_all_but_the_last(page)
        wait_until_run(page)
        page.locator(".reznet-dashboard").scroll_into_view_if_needed()
        yield page


@pytest.fixture(scope="module")
def dashboard(page: Page) -> Locator:
    """The dashboard on the page."""
    return page.locator(".reznet-dashboard")


def test_every_cell_ran_and_none_failed(page: Page) -> None:
    assert cell_errors(page) == []


def test_all_requirements_are_on_the_scoreboard(dashboard: Locator) -> None:
    expect(dashboard.locator(".reznet-card")).to_have_count(6)
    expect(dashboard.locator(f'[data-requirement="{REDUCTION}"]')).to_contain_text("target ≥ 40 %")
    expect(dashboard.locator('[data-requirement="users connected"] b')).to_have_text(re.compile(r"^100\b"))


def test_switching_deflate_moves_the_scoreboard_both_ways(page: Page, dashboard: Locator) -> None:
    wait_for(page, lambda: reduction(dashboard) > 60, "with deflate")
    click_layer(dashboard, "deflate")
    wait_for(page, lambda: reduction(dashboard) < 40, "without deflate")
    expect(dashboard.locator(f'[data-requirement="{REDUCTION}"]')).to_contain_text("✗ missed")
    click_layer(dashboard, "deflate")
    wait_for(page, lambda: reduction(dashboard) > 60, "with deflate again")
    expect(dashboard.locator(f'[data-requirement="{REDUCTION}"]')).to_contain_text("✓ met")


# Each with traffic in which it has something to do, and what its bar says off and on.
@pytest.mark.parametrize(
    ("layer", "mix", "when_off", "when_on"),
    [
        ("abbreviate", "chat", lambda saving: saving == 0, lambda saving: saving > 2),
        ("utf8", "unicode", lambda saving: saving == 0, lambda saving: saving > 2),
        ("gzip", "plans", lambda saving: saving == 0, lambda saving: saving > 20),
        ("batch", "streaming", lambda saving: saving > -0.1, lambda saving: saving < -0.3),
    ],
)
def test_switching_a_layer_moves_its_bar_both_ways(
    page: Page,
    dashboard: Locator,
    layer: str,
    mix: str,
    when_off: Callable[[float], bool],
    when_on: Callable[[float], bool],
) -> None:
    dashboard.locator("select").select_option(mix)
    checkbox = dashboard.locator(f".reznet-layer-{layer} .reznet-layer input")
    for _ in range(2):
        click_layer(dashboard, layer)
        expected = when_on if checkbox.is_checked() else when_off
        wait_for(page, lambda expected=expected: expected(saving(dashboard, layer)), f"{layer} {checkbox.is_checked()}")
    dashboard.locator("select").select_option("chat")


def test_a_preset_switches_all_checkboxes(dashboard: Locator) -> None:
    boxes = dashboard.locator(".reznet-layer input")
    dashboard.get_by_role("button", name="off", exact=True).click()
    expect(dashboard.locator(".reznet-layer input:checked")).to_have_count(0)
    dashboard.get_by_role("button", name="seed", exact=True).click()
    expect(dashboard.locator(".reznet-layer input:checked")).to_have_count(4)
    dashboard.get_by_role("button", name="recommended", exact=True).click()
    expect(dashboard.locator(".reznet-layer input:checked")).to_have_count(4)
    assert boxes.count() == 5


def test_a_slider_moves_by_the_keyboard_and_says_its_value(page: Page, dashboard: Locator) -> None:
    row = dashboard.locator(".widget-hbox", has=page.get_by_text("messages, per second", exact=True)).last
    row.locator(".noUi-handle").press("ArrowRight")
    expect(row.locator(".widget-readout")).to_have_text("21.0")
    row.locator(".noUi-handle").press("ArrowLeft")
    expect(row.locator(".widget-readout")).to_have_text("20.0")


def test_stop_and_start(page: Page, dashboard: Locator) -> None:
    dashboard.get_by_role("button", name="Stop").click()
    expect(dashboard.get_by_role("status")).to_contain_text("stopped", timeout=MOVE_MS)
    dashboard.get_by_role("button", name=re.compile(r"\bStart$")).click()
    expect(dashboard.get_by_role("status")).to_contain_text("running", timeout=MOVE_MS)
    wait_for(page, lambda: reduction(dashboard) > 60, "after the start")
    expect(dashboard.locator('[data-requirement="messages lost or doubled"]')).to_contain_text("✓ met")


@pytest.mark.parametrize("theme", THEMES)
def test_nothing_is_cut_off_and_it_has_its_picture(page: Page, dashboard: Locator, theme: str, tmp_path: Path) -> None:
    change_theme(page, theme)
    if UPDATE and theme == THEMES[0]:
        tell_a_story(page, dashboard)
    page.wait_for_timeout(1000)  # the page takes a moment to repaint
    box = dashboard.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= WIDTH
    assert box["height"] <= HEIGHT
    assert dashboard.evaluate(CUT_OFF) == []
    picture = PICTURE if UPDATE and theme == THEMES[0] else tmp_path / "dashboard.png"
    assert len(dashboard.screenshot(path=picture)) > 50_000


def tell_a_story(page: Page, dashboard: Locator) -> None:
    """What the picture shows: three presets in a row."""
    for preset, seconds in (("off", 16), ("stock", 14), ("recommended", 18)):
        dashboard.get_by_role("button", name=preset, exact=True).click()
        page.wait_for_timeout(1000 * seconds)


def click_layer(dashboard: Locator, layer: str) -> None:
    """Click its checkbox."""
    dashboard.locator(f".reznet-layer-{layer} .reznet-layer input").click()


def reduction(dashboard: Locator) -> float:
    """What the scoreboard says, in percent; 0 while it says nothing."""
    return number(dashboard.locator(f'[data-requirement="{REDUCTION}"] b').inner_text())


def saving(dashboard: Locator, layer: str) -> float:
    """What a layer's bar says, in percent; no number while plotly draws it."""
    said = dashboard.locator(".x6y6 .bartext").all_text_contents()
    return number(said[LAYERS.index(layer)]) if len(said) == len(LAYERS) else math.nan


def number(text: str) -> float:
    """The first number in a text; a minus sign may be a real one."""
    found = re.search(r"[−-]?\d[\d,.]*", text)
    return float(found[0].replace("−", "-").replace(",", "")) if found else 0.0


def wait_for(page: Page, condition: Callable[[], bool], what: str) -> None:
    """Until the page says so."""
    for _ in range(MOVE_MS // 100):
        if condition():
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"the figures did not move: {what}")
