"""A guess that the reader enters before the answer shows.

In: a question; later the answer, and what shows it. Out: in a page, widgets that hide the answer until a guess is made;
in a saved notebook, under nbval and anywhere else without a page, the question and the answer as text and picture.
Never: keeps a cell waiting, so "Run All" runs all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from reznet_ws.draw.live import is_live
from reznet_ws.draw.tables import say

_VIEW = "application/vnd.jupyter.widget-view+json"
_HIDDEN = "<i>The answer shows here as soon as you have entered your guess above.</i>"
_STEPS = 100


class Guess:
    """A question with a slider (from `low` to `high`, in `unit`) or with `choices`, and a button."""

    def __init__(
        self, question: str, low: float = 0, high: float = 100, unit: str = "%", *, choices: Sequence[str] = ()
    ) -> None:
        self.question, self.unit = question, unit
        self.made: float | str | None = None
        self._waiting: list[Callable[[], None]] = []
        step, places = (1, 0) if high - low >= _STEPS else ((high - low) / _STEPS, 2)
        # Nothing is chosen at first, and the slider stands in the middle.
        self.entry: Any = (
            widgets.RadioButtons(options=list(choices), value=None, layout={"width": "auto"})
            if choices
            else widgets.FloatSlider((low + high) / 2, min=low, max=high, step=step, readout_format=f",.{places}f")
        )
        self.button = widgets.Button(description="That is my guess", button_style="primary")
        self.button.on_click(lambda _: self.enter())
        self._text = f"Your guess? {question} ({' / '.join(choices) if choices else f'{low:g} to {high:g} {unit}'})"

    def __repr__(self) -> str:
        return self._text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        if not is_live():
            return {"text/plain": repr(self)}
        return {"text/plain": repr(self), _VIEW: _view(self.view())}

    def view(self) -> widgets.Widget:
        """The question with its slider or choices and its button."""
        row = [self.entry, widgets.Label(self.unit if not isinstance(self.entry, widgets.RadioButtons) else "")]
        return widgets.VBox([widgets.HTML(f"<b>Your guess?</b> {self.question}"), widgets.HBox(row), self.button])

    def enter(self) -> None:
        """Take what is entered as the guess; every answer that waited for it shows."""
        if self.entry.value is None or self.made is not None:
            return
        self.made = self.entry.value
        self.entry.disabled = self.button.disabled = True
        for show in self._waiting:
            show()

    def reveal(self, answer: float | str, shown: Any = None, *, digits: int = 0) -> Answer:
        """The answer, with a chart or a table; shows at once where no page is, and else after the guess."""
        said = answer if isinstance(answer, str) else f"{say(answer, digits)} {self.unit}".rstrip()
        return Answer(self, said, shown)

    def say_made(self) -> str:
        """What the reader guessed, in words; nothing before."""
        if self.made is None:
            return ""
        return f"You said {self.made if isinstance(self.made, str) else f'{self.made:,.6g} {self.unit}'.rstrip()}."

    def when_made(self, show: Callable[[], None]) -> None:
        """Call it after the guess, or now if it was made."""
        if self.made is not None:
            show()
        else:
            self._waiting.append(show)


class Answer:
    """What a guess is held against: a line, and what shows it."""

    def __init__(self, guess: Guess, said: str, shown: Any) -> None:
        self.guess, self.said, self.shown = guess, said, shown

    def __repr__(self) -> str:
        line = f"The answer: {self.said}"
        return line if self.shown is None else f"{line}\n\n{self.shown!r}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Any:
        if is_live():
            return {"text/plain": repr(self), _VIEW: _view(self.view())}
        data, metadata = _bundle(self.shown)
        return {**data, "text/plain": repr(self)}, metadata

    def view(self) -> widgets.Widget:
        """Widgets that hide the answer until the guess is made."""
        line, below = widgets.HTML(_HIDDEN), widgets.Output()
        # Taken now: a callback has no cell that asked for it.
        data, metadata = _bundle(self.shown)

        def show() -> None:
            line.value = f"{self.guess.say_made()} <b>The answer: {self.said}</b>"
            if data:
                below.outputs = ({"output_type": "display_data", "data": data, "metadata": metadata},)

        self.guess.when_made(show)
        return widgets.VBox([line, below])


def _bundle(shown: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    if shown is None:
        return {}, {}
    made = shown._repr_mimebundle_()
    return made if isinstance(made, tuple) else (made, {})


def _view(widget: widgets.Widget) -> dict[str, Any]:
    return {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
