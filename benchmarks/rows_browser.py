"""Format 3 in Chromium: what decoding takes there, beside `JSON.parse` of the same packets.

In: packets, and their lines by way. Out: us a message, each with `JSON.parse` of what it gives.
Never: goes to the network: the page and the decoder are answered from files.

`performance.now` counts in steps of 0.1 ms, and a busy machine interrupts: so runs of 600 messages are timed by turns,
and of each run the quickest counts.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from playwright.async_api import Route, async_playwright

import reznet_ws

_JS = Path(reznet_ws.__file__).parent / "client/js"
_ORIGIN = "http://rows.test/"
_ROUNDS, _RUN = 25, 600
_MEASURE = """async ([packets, ways, rounds, run]) => {
  const { RowsDecoder } = await import("/rows.js");
  const quickest = {};
  for (let round = 0; round < rounds; round += 1) {
    const decoders = Object.fromEntries(Object.keys(ways).map((way) => [way, new RowsDecoder()]));
    for (let first = 0; first < packets.length; first += run) {
      for (const way of ["JSON.parse", ...Object.keys(ways)]) {
        const texts = (way in ways ? ways[way] : packets).slice(first, first + run);
        const decode = way in ways ? (line) => decoders[way].decode(line) : (packet) => [packet];
        const begun = performance.now();
        for (const text of texts) {
          for (const packet of decode(text)) {
            JSON.parse(packet.slice(1));
          }
        }
        const took = performance.now() - begun;
        const times = (quickest[way] ??= {});
        times[first] = Math.min(times[first] ?? Infinity, took);
      }
    }
  }
  const sum = (times) => Object.values(times).reduce((all, one) => all + one, 0);
  return Object.fromEntries(Object.entries(quickest).map(([way, times]) => [way, sum(times) * 1000 / packets.length]));
}"""


def time_in_chromium(packets: Sequence[str], ways: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Way -> us a message, `JSON.parse` alone first. Raises: Playwright's error where no Chromium is found."""
    return asyncio.run(_time(packets, ways))


async def _time(packets: Sequence[str], ways: Mapping[str, Sequence[str]]) -> dict[str, float]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=os.environ.get("REZNET_CHROMIUM"))
        page = await browser.new_page()
        await page.route(f"{_ORIGIN}**", _answer)
        await page.goto(_ORIGIN)
        times: dict[str, float] = await page.evaluate(_MEASURE, [packets, ways, _ROUNDS, _RUN])
        await browser.close()
    return times


async def _answer(route: Route) -> None:
    name = route.request.url.removeprefix(_ORIGIN)
    if name in ("rows.js", "rows-text.js"):
        await route.fulfill(path=_JS / name, content_type="text/javascript")
    else:
        await route.fulfill(body="<!doctype html>", content_type="text/html")
