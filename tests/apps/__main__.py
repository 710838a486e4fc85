"""`./run apps`: real applications without the one line and with it, in Chromium; the exit status is the verdict.

In: which applications, how many rounds. Out: a table, every difference in words. Never: passes over a difference.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Sequence

from playwright.async_api import Browser, async_playwright

from apps import environments
from apps.applications import APPLICATIONS, Application
from apps.trial import Run, differences, run

FLAGS = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
HEADINGS = ("application", "its server", "wire bytes", "with the line", "ratio", "CPU ratio", "frames", "taken over")
Pair = tuple[Run, Run]


async def compare(
    application: Application, browser: Browser, rounds: int, newest: bool
) -> tuple[list[Pair], list[str]]:
    """So many interleaved rounds, and what differed in any of them."""
    requirement = application.requirement.partition("==")[0] if newest else application.requirement
    where = await asyncio.to_thread(environments.make, requirement)
    pairs, found = [], []
    for _ in range(rounds):
        without = await run(application, where, browser, has_line=False)
        with_line = await run(application, where, browser, has_line=True)
        pairs.append((without, with_line))
        found += differences(without, with_line)
        if with_line.is_taken_over != application.is_taken_over:
            found.append(f"its connections are {'' if with_line.is_taken_over else 'not '}taken over")
        # To two digits: ids and pings make a few bytes of difference.
        if round(with_line.wire_bytes / without.wire_bytes, 2) > application.target:
            found.append(
                f"{with_line.wire_bytes} bytes with the line, {without.wire_bytes} without: "
                f"more than {application.target:.2f} of them"
            )
    return pairs, found


def row(application: Application, pairs: Sequence[Pair]) -> tuple[str, ...]:
    """One application's line of the table; medians, and the least and the most of the CPU's ratio."""
    without = statistics.median(one.wire_bytes for one, _ in pairs)
    with_line = statistics.median(other.wire_bytes for _, other in pairs)
    cpu = sorted(other.cpu_s / one.cpu_s for one, other in pairs)
    spread = f" ({cpu[0]:.2f}-{cpu[-1]:.2f})" if len(cpu) > 1 else ""
    return (
        f"{application.name} {application.requirement.partition('==')[2]}",
        application.server,
        f"{without:,.0f}",
        f"{with_line:,.0f}",
        f"{with_line / without:.2f}",
        f"{statistics.median(cpu):.2f}{spread}",
        f"{pairs[-1][1].frames:,}",
        "yes" if all(other.is_taken_over for _, other in pairs) else "no",
    )


def renew_readme(table: str) -> None:
    """Put the table where the README has it. Raises: ValueError if it has no place for one."""
    begin, end = "<!-- applications: written by ./run apps --readme -->\n", "<!-- end of applications -->"
    readme = environments.ROOT / "README.md"
    before, mark, rest = readme.read_text().partition(begin)
    _, end_mark, after = rest.partition(end)
    if not mark or not end_mark:
        raise ValueError("README.md has no place for the table of applications")
    readme.write_text(f"{before}{begin}{table}\n{end}{after}")


def as_table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown, as the README holds it."""
    lines = [HEADINGS, ["---"] * len(HEADINGS), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


async def main(chosen: Sequence[Application], rounds: int, *, newest: bool, readme: bool) -> int:
    rows, differed = [], False
    async with async_playwright() as playwright:
        path = os.environ.get("REZNET_CHROMIUM") or playwright.chromium.executable_path
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS, chromium_sandbox=False)
        for application in chosen:
            began, name = time.monotonic(), f"{application.name} ({application.server})"
            pairs, differing = await compare(application, browser, rounds, newest)
            rows.append(row(application, pairs))
            differed |= bool(differing)
            print(f"{name}: {len(differing) or 'no'} differences, {time.monotonic() - began:.0f} s", flush=True)
            for difference in differing:
                print(f"  {difference}")
        await browser.close()
    print(f"\n{as_table(rows)}")
    if readme and not differed:
        renew_readme(as_table(rows))
    return int(differed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="./run apps", description="Real applications without the one line and with it."
    )
    names = sorted({application.name.lower() for application in APPLICATIONS})
    parser.add_argument("names", nargs="*", help=f"{', '.join(names)}; all, unless named")
    parser.add_argument("--rounds", type=int, default=1, help="interleaved rounds; CPU wants several (1)")
    parser.add_argument("--newest", action="store_true", help="today's releases, not the README's")
    parser.add_argument("--readme", action="store_true", help="put the table in README.md, if nothing differs")
    options = parser.parse_args()
    if not set(options.names) <= set(names) or options.rounds < 1:
        parser.error(f"names are of {', '.join(names)}, rounds at least 1")
    if options.readme and options.names:
        parser.error("--readme wants all of them")
    chosen = [each for each in APPLICATIONS if not options.names or each.name.lower() in options.names]
    sys.exit(asyncio.run(main(chosen, options.rounds, newest=options.newest, readme=options.readme)))
