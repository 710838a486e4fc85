"""The page opens offline on a desk and on a phone, says the verdict first, and runs nobody's names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.labserver import chromium
from playwright.sync_api import Browser, Page

from reznet_ws.audit.examine.findings import Findings
from reznet_ws.audit.show.pictures import draw_all
from reznet_ws.audit.show.report_page import make_page
from reznet_ws.audit.show.verdict_text import say_saving

WIDTHS_PX = (1280, 390)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def opened(browser: Browser, path: Path, findings: Findings, width_px: int) -> tuple[Page, list[str]]:
    """The page, and what went wrong or over the network."""
    path.write_text(make_page(findings), encoding="utf-8")
    page = browser.new_page(viewport={"width": width_px, "height": 900})
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request", lambda request: None if request.url.startswith(("file:", "data:")) else wrong.append(request.url)
    )
    page.goto(path.as_uri())
    return page, wrong


def test_it_loads_nothing_and_lets_nothing_else_run(audited: Findings) -> None:
    page = make_page(audited)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'nonce-")
    assert not re.search(r"<(script|link|img|iframe)[^>]* (src|href)=", page)
    assert make_page(audited) != page, "a nonce is used once"


def test_the_verdict_comes_before_the_pictures(audited: Findings) -> None:
    page = make_page(audited)
    assert audited.verdict is not None
    settings = page.index(f"manager = attach(sio, {audited.verdict.best.source})")
    assert page.index(say_saving(audited.verdict.saving)) < settings < page.index('class="chart"')


@pytest.mark.parametrize("width_px", WIDTHS_PX)
def test_it_draws_every_picture_within_the_width(
    browser: Browser, audited: Findings, tmp_path: Path, width_px: int
) -> None:
    page, wrong = opened(browser, tmp_path / "report.html", audited, width_px)
    page.wait_for_function("document.querySelectorAll('.chart .main-svg').length > 0")
    assert wrong == []
    drawn = page.evaluate("[...document.querySelectorAll('.chart')].filter(chart => chart.querySelector('svg')).length")
    assert drawn == len(draw_all(audited))
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    small = "[...document.querySelectorAll('main *')].filter(one => parseFloat(getComputedStyle(one).fontSize) < 11)"
    assert page.evaluate(f"{small}.map(one => one.outerHTML.slice(0, 80))") == []
    page.close()


@pytest.mark.parametrize("width_px", WIDTHS_PX)
def test_names_are_text_whatever_they_hold(browser: Browser, hostile: Findings, tmp_path: Path, width_px: int) -> None:
    page, wrong = opened(browser, tmp_path / "report.html", hostile, width_px)
    page.wait_for_function("document.querySelectorAll('.chart .main-svg').length > 0")
    assert wrong == []
    assert page.title() == "Socket.IO traffic audit"
    assert page.locator("main img, main a, main script").count() == 0
    for details in page.locator("details").all():
        details.evaluate("one => one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    shown = page.locator("main").inner_text()
    assert "<img src=x" in shown
    assert "{{ 7 * 7 }}" in shown
    assert "\x1b" not in shown
    page.close()


def test_the_settings_can_be_copied(browser: Browser, audited: Findings, tmp_path: Path) -> None:
    page, _ = opened(browser, tmp_path / "report.html", audited, WIDTHS_PX[0])
    page.locator("button").first.click()
    page.wait_for_function("document.querySelector('button').textContent === 'Copied'")
    page.close()


def test_without_a_verdict_it_says_so(nothing_from_the_server: Findings) -> None:
    assert "There is no verdict" in make_page(nothing_from_the_server)


def test_problems_are_listed(audited: Findings) -> None:
    (problem,) = audited.problems
    assert f"{problem.position}: " in make_page(audited)
