"""A guess hides its answer in a page until it is entered, and nowhere else."""

from __future__ import annotations

from reznet_ws.draw.course_charts import show_table
from reznet_ws.lab.explain.guess import Guess

TABLE = show_table(["layer", "kB"], [("gzip", 3)])


def test_without_a_page_question_and_answer_are_text() -> None:
    guess = Guess("How much does it save?", unit="%")
    assert guess._repr_mimebundle_() == {"text/plain": "Your guess? How much does it save? (0 to 100 %)"}
    data, _ = guess.reveal(41.26, TABLE, digits=1)._repr_mimebundle_()
    assert data == {**TABLE._repr_mimebundle_(), "text/plain": f"The answer: 41.3 %\n\n{TABLE!r}"}
    assert guess.made is None


def test_the_answer_shows_after_the_guess() -> None:
    guess = Guess("How much does it save?", unit="%")
    line, below = guess.reveal(41.26, TABLE, digits=1).view().children
    assert "41" not in line.value
    assert below.outputs == ()
    guess.entry.value = 30
    guess.button.click()
    assert line.value == "You said 30 %. <b>The answer: 41.3 %</b>"
    (shown,) = below.outputs
    assert shown["data"] == TABLE._repr_mimebundle_()


def test_an_answer_that_comes_after_the_guess_shows_at_once() -> None:
    guess = Guess("Which?", choices=["gzip", "deflate"])
    assert repr(guess) == "Your guess? Which? (gzip / deflate)"
    guess.entry.value = "gzip"
    guess.button.click()
    assert guess.reveal("deflate").view().children[0].value == "You said gzip. <b>The answer: deflate</b>"


def test_nothing_chosen_is_no_guess_and_the_first_guess_counts() -> None:
    guess = Guess("Which?", choices=["gzip", "deflate"])
    guess.button.click()
    assert guess.made is None
    guess.entry.value = "gzip"
    guess.button.click()
    assert guess.button.disabled
    guess.entry.value = "deflate"
    guess.enter()
    assert guess.made == "gzip"
