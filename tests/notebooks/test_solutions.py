"""Every notebook sets three exercises, and their solutions run and print what they show.

They run in this process, one after the other: a kernel for each would take as long as all of them together.
"""

import contextlib
import io
import re
from pathlib import Path

import pytest
from notebooks.save import FOLDER, SOLUTIONS, find_notebooks, find_solutions, read

# An index, a dashboard to play with, and what becomes the reader's own.
WITHOUT = {"00-start", "01-dashboard", "17-own-app"}
EXERCISES = 3

each_notebook = pytest.mark.parametrize(
    "path", [path for path in find_notebooks() if path.stem not in WITHOUT], ids=lambda path: path.stem
)
each_solution = pytest.mark.parametrize("path", find_solutions(), ids=lambda path: path.stem)


@each_notebook
def test_it_sets_three_exercises_and_links_to_their_solutions(path: Path) -> None:
    cells = [cell.source for cell in read(path).cells if cell.source.startswith("## Exercises")]
    assert len(cells) == 1
    assert re.findall(r"^(\d)\. ", cells[0], re.MULTILINE) == [str(number) for number in range(1, EXERCISES + 1)]
    assert f"](solutions/{path.name})" in cells[0]
    assert (SOLUTIONS / path.name).is_file()


@each_solution
def test_a_solution_has_a_part_with_an_assertion_for_each_exercise(path: Path) -> None:
    cells = read(path).cells
    question = read(FOLDER / path.name).cells[0].source.partition("\n")[0].removeprefix("# ")
    assert cells[0].source.startswith(f"# Solutions: {question}\n")
    assert f"](../{path.name})" in cells[0].source
    text = "\n".join(cell.source for cell in cells)
    parts = re.split(r"^## (?=\d · )", text, flags=re.MULTILINE)[1:]
    assert [part[0] for part in parts] == [str(number) for number in range(1, EXERCISES + 1)]
    assert all(re.search(r"^\s*assert ", part, re.MULTILINE) for part in parts)


@each_solution
def test_a_solution_prints_what_it_shows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    names: dict[str, object] = {}
    for cell in read(path).cells:
        if cell.cell_type == "code":
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(cell.source, f"{path.name}, {cell.id}", "exec"), names)
            assert all(output.output_type == "stream" for output in cell.outputs), "print, so that it can be compared"
            assert printed.getvalue() == "".join(output.text for output in cell.outputs)
