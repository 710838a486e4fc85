"""What an assistant answers, a token at a time; the same on every run."""

import random

NOUNS = (
    "the agent",
    "a reviewer",
    "the build",
    "this branch",
    "the log",
    "your file",
    "a test",
    "the queue",
    "a frame",
)
VERBS = (
    "checks",
    "waits for",
    "repeats",
    "rewrites",
    "measures",
    "reports",
    "compresses",
    "explains",
    "reads",
    "sends",
)
ENDS = (", ", ". ", ".\n\n- ")


def answer_to(question: str, tokens: int = 300) -> list[str]:
    """Tokens of an answer in Markdown, chosen by the question."""
    chance = random.Random(question)
    text = [f"**{question}** "]
    while len(text) < tokens:
        text += [f"{chance.choice(NOUNS)} ", f"{chance.choice(VERBS)} ", chance.choice(NOUNS), chance.choice(ENDS)]
    return text[:tokens]
