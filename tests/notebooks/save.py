"""Run the notebooks and save them, so that a second run changes nothing but what was measured.

In: names of notebooks, or none for all of them. Out: the files, each run from top to bottom in a fresh kernel.
Never: saves a notebook in which a cell failed.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.preprocessors import ExecutePreprocessor

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
SOLUTIONS = FOLDER / "solutions"
CELL_TIMEOUT_S = 300
# A view's model lives in the kernel that made it; what a saved notebook shows is the picture beside it.
_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
# Lines that no line joins, and lines that join none.
_STANDS_ALONE = re.compile(r"$|#|\||>|```")
_BEGINS = re.compile(r"\s*($|#|\||>|```|[-*+] |\d+\. )")
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}


def find_notebooks() -> list[Path]:
    """All notebooks, in the order in which they are read."""
    return sorted(FOLDER.glob("*.ipynb"))


def find_solutions() -> list[Path]:
    """The solutions of their exercises: a notebook of the same name for each that has some."""
    return sorted(SOLUTIONS.glob("*.ipynb"))


def read(path: Path) -> Any:
    """A notebook as nodes."""
    return nbformat.read(path, as_version=4)


def write(notebook: Any) -> str:
    """A notebook as the text of its file."""
    return f"{nbformat.writes(notebook, ensure_ascii=False).rstrip()}\n"


def execute(notebook: Any) -> None:
    """Run every cell in a fresh kernel. Raises: CellExecutionError."""
    os.environ.setdefault("REZNET_PICTURE_S", "40")  # a dashboard waits for something to show in its picture
    runner = ExecutePreprocessor(timeout=CELL_TIMEOUT_S, store_widget_state=False, record_timing=False)
    runner.preprocess(notebook, {"metadata": {"path": str(FOLDER)}})


def normalise(notebook: Any) -> None:
    """Take out what differs between two runs that showed the same: ids, counts, metadata, widgets' models."""
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = nbformat.from_dict(_METADATA)
    count = 0
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number:02}"
        tags = sorted(cell.metadata.get("tags", []))
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        cell.source = unwrap(cell.source.rstrip()) if cell.cell_type == "markdown" else cell.source.rstrip()
        if cell.cell_type == "code":
            # Of cells that were run; one that never was must not look as if.
            if cell.execution_count is not None:
                count += 1
                cell.execution_count = count
            cell.outputs = list(_normalise_outputs(cell.outputs, cell.execution_count))


def unwrap(text: str) -> str:
    """Markdown with each paragraph and each item of a list in one line; tables, headings and code stay."""
    lines: list[str] = []
    is_code = False
    for line in text.split("\n"):
        joins = lines and not is_code and not _STANDS_ALONE.match(lines[-1]) and not _BEGINS.match(line)
        if joins:
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
        is_code ^= line.startswith("```")
    return "\n".join(lines)


def _normalise_outputs(outputs: Any, count: int | None) -> Iterator[Any]:
    stream = None
    for output in outputs:
        # One print may arrive in one piece or in several.
        if output.output_type == "stream" and stream is not None and stream.name == output.name:
            stream.text += output.text
            continue
        stream = output if output.output_type == "stream" else None
        if "execution_count" in output:
            output.execution_count = count
        if "data" in output:
            if len(output.data) > 1:
                output.data.pop(_WIDGET_VIEW, None)
            sizes = {kind: size for kind, size in output.metadata.items() if kind.startswith("image/")}
            output.metadata = nbformat.from_dict(sizes)
        yield output


def main() -> int:
    """Run and save; say how long each took."""
    parser = argparse.ArgumentParser(prog="./run save", description="Runs notebooks and saves them.")
    parser.add_argument(
        "names",
        nargs="*",
        help="parts of names: 02 saves its solutions as well, solutions/02 only these; all notebooks if none",
    )
    names = parser.parse_args().names
    everything = [*find_notebooks(), *find_solutions()]
    chosen = [path for path in everything if not names or any(name in str(path.relative_to(FOLDER)) for name in names)]
    if not chosen:
        parser.error(f"no notebook is called {' or '.join(map(repr, names))}")
    for path in chosen:
        began_s = time.monotonic()
        notebook = read(path)
        execute(notebook)
        normalise(notebook)
        text = write(notebook)
        changed = text != path.read_text(encoding="utf-8")
        path.write_text(text, encoding="utf-8")
        print(
            f"{path.relative_to(FOLDER)}: {'changed' if changed else 'as before'}, {time.monotonic() - began_s:.0f} s",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
