"""How instructions are proposed: prompts that show examples and leave their instruction to be written, and prompts that ask for other words.

Forward generation, infilling and resampling of APE (Zhou et al. 2022, arXiv:2211.01910, sections 3.1 and 3.3), in words of our own. Forward, worked examples
with their instruction stand before those whose instruction is asked for, so that models which only go on with a text write one too. Infilling
asks small models what they have read a thousand times: how a sentence goes on that begins `"cats" is the`; "plural of" is then put into an
instruction. Each prompt has examples, worked tasks and a layout of its own, since a prompt decides most of what is drawn after it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from fieldguide.approaches.prompting.asking import Asking
from fieldguide.approaches.prompting.fit_text import TokenCounter
from fieldguide.approaches.reading import cut
from fieldguide.models.model import Generation, Model
from fieldguide.models.text import clean
from fieldguide.records import Row

Example = tuple[str, str]
"""A row's text and its answer, each on one line."""
LONGEST = 200
"""Characters of a text or an answer as an example shows it."""
WORKED_SHOWN, WORKED_NEAR = 4, 6
"""Worked tasks in one prompt, and those that they are drawn from: the nearest in length to the examples."""
ROOM = 40
"""Tokens in which an instruction is written."""
FEWEST_WORDS, MOST_WORDS = 2, 40
_LABEL = re.compile(r"^(?:[-*•]|\d+[.)])?\s*(?:the\s+)?(?:instruction|rule|task|in other words|answer)\b\s*(?:is|was)?\s*[:–-]\s*", re.IGNORECASE)
_QUOTES = " \t\"“”'‘’«»*_`"


def examples_of(asking: Asking, rows: Sequence[Row]) -> list[Example]:
    """Rows as examples: all that a row compares, cut where it is long, and its answer in words."""
    spec, reader = asking.task, asking.reader
    texts = [" | ".join(_line(part) for part in reader.segments(spec, row.inputs) if part.strip()) for row in rows]
    return [(cut(text, LONGEST), cut(_line(asking.answer(row)), LONGEST)) for text, row in zip(texts, rows, strict=True)]


def _size(examples: Sequence[Example]) -> float:
    """How long texts and answers are: the mean logarithm of their words."""
    return float(np.mean([math.log(len(f"{text} {answer}".split())) for text, answer in examples]))


def _line(text: str) -> str:
    return " ".join(clean(text).split())


def draws(examples: Sequence[Example], prompts: int, shown: int, rng: np.random.Generator, model: Model) -> list[str]:
    """So many prompts that ask for an instruction: layouts in turn, each with `shown` examples and some worked tasks of about their length, fewer where the context is short."""
    count, context = TokenCounter.of(model), model.facts.context
    alike = sorted(WORKED, key=lambda task: abs(_size(task[0]) - _size(examples)))[:WORKED_NEAR]
    found = []
    for k in range(prompts):
        own = [examples[i] for i in rng.permutation(len(examples))[:shown]]
        worked = [alike[i] for i in rng.permutation(len(alike))[:WORKED_SHOWN]]
        prompt = LAYOUTS[k % len(LAYOUTS)].render(worked, own)
        while context is not None and count(prompt) + ROOM > context and (worked or len(own) > 1):
            worked, own = (worked[1:], own) if worked else (worked, own[1:])
            prompt = LAYOUTS[k % len(LAYOUTS)].render(worked, own)
        found.append(prompt)
    return found


def relation_draws(examples: Sequence[Example], prompts: int, rng: np.random.Generator, model: Model) -> list[str]:
    """So many prompts that begin a sentence on how one example's answer relates to its text, after sentences on worked pairs of about their length."""
    count, context = TokenCounter.of(model), model.facts.context
    alike = sorted(RELATIONS, key=lambda pair: abs(_size([pair[:2]]) - _size(examples)))[:WORKED_NEAR]
    found = []
    for k in range(prompts):
        worked = [alike[i] for i in rng.permutation(len(alike))[:WORKED_SHOWN]]
        lines = [f'"{answer}" is the {relation} "{text}".' for text, answer, relation in worked]
        prompt = "\n".join([*lines, f'"{examples[k % len(examples)][1]}" is the'])
        if context is None or count(prompt) + ROOM <= context:
            found.append(prompt)
    return found


def framed(written: Generation, place: int, thing: str) -> str | None:
    """The relation that was written, as an instruction: "plural of" as "Write the plural of the word."; None where it is no relation.

    `place` chooses among the frames, so that a relation that is written often is tried in several; `thing` is what a row is called.
    """
    found = re.match(r"\s*([\w' -]{3,60}?)\s+(of|for|in|from|to)\s+(?:the \w+ )?[\"“]", written.text)
    return FRAMES[place % len(FRAMES)].format(relation=f"{found[1].strip()} {found[2]} the {thing}") if found else None


def thing_of(examples: Sequence[Example]) -> str:
    """What the rows are called in an instruction: "word" where most are one, else "text"."""
    return "word" if np.median([len(text.split()) for text, _ in examples]) == 1 else "text"


def continuation(prompt: str, instruction: str, rng: np.random.Generator) -> tuple[str, str]:
    """A prompt that asks for an instruction, with the beginning of a good one, from one word to all but one: (prompt, that beginning)."""
    words = instruction.split()
    begun = " ".join(words[: int(rng.integers(1, max(len(words), 2)))])
    return f"{prompt} {begun}", begun


def rewording(instruction: str, rng: np.random.Generator) -> str:
    """A prompt that asks for the instruction in other words (APE, section 3.3)."""
    worked = [REWORDED[i] for i in rng.permutation(len(REWORDED))]
    blocks = [f"Instruction: {one}\nIn other words: {other}" for one, other in worked]
    return "\n\n".join(["Each instruction is said a second time in other words.", *blocks, f"Instruction: {instruction}\nIn other words:"])


def cleaned(written: Generation, begun: str = "") -> str | None:
    """What was written as an instruction: its first sentence without quotation marks and labels; None where it is hopeless.

    Hopeless is what breaks off, has fewer than two words or more than forty, or goes on with examples.
    """
    text = f"{begun} {written.text.strip()}" if begun else written.text.strip()
    line = _LABEL.sub("", text.splitlines()[0].strip(_QUOTES) if text else "").strip(_QUOTES)
    first = re.split(r"(?<=[.!?])[\"”’']?\s+", line)[0].strip(_QUOTES)
    whole = written.finish != "length" or first != line or line.endswith((".", "!", "?"))
    words = len(first.split())
    hopeless = not FEWEST_WORDS <= words <= MOST_WORDS or re.search(r"->|→|\b(?:input|output|pairs)\s*:\s*\S", first, re.IGNORECASE)
    return None if hopeless or not whole or not re.search(r"[^\W\d_]", first) else first


def key(instruction: str) -> str:
    """What makes two instructions the same one: their words."""
    return " ".join(re.findall(r"\w+", instruction.casefold()))


class Layout:
    """One way to show tasks: a heading, how an example looks, what stands between examples, and the cue before an instruction."""

    def __init__(self, heading: str, example: str, between: str, before: str, cue: str) -> None:
        self.heading, self.example, self.between, self.before, self.cue = heading, example, between, before, cue

    def render(self, worked: Sequence[tuple[Sequence[Example], str]], examples: Sequence[Example]) -> str:
        blocks = [f"{self._block(own)} {instruction}" for own, instruction in worked]
        return "\n\n".join([self.heading, *blocks, self._block(examples)])

    def _block(self, examples: Sequence[Example]) -> str:
        shown = self.between.join(self.example.format(text=text, answer=answer) for text, answer in examples)
        return f"{self.before}{shown}\n{self.cue}"


LAYOUTS = (
    Layout("Each group of pairs follows one rule.", "{text} → {answer}", "; ", "Pairs: ", "Rule:"),
    Layout("What was asked for?", "{text} -> {answer}", "\n", "", "Instruction:"),
    Layout("Each instruction says how to get the output from the input.", "Input: {text}\nOutput: {answer}", "\n", "", "Instruction:"),
)
WORKED: tuple[tuple[tuple[Example, ...], str], ...] = (
    ((("France", "Paris"), ("Japan", "Tokyo"), ("Egypt", "Cairo")), "Write the capital city of the country."),
    ((("banana", "yellow"), ("grass", "green"), ("snow", "white")), "Name the colour of the thing."),
    ((("go", "went"), ("see", "saw"), ("take", "took")), "Write the past tense of the verb."),
    ((("dog", "puppy"), ("cow", "calf"), ("hen", "chick")), "Give the word for the young of the animal."),
    ((("3", "III"), ("10", "X"), ("16", "XVI")), "Write the number in Roman numerals."),
    ((("bread, hammer", "hammer"), ("saw, milk", "saw"), ("apple, drill", "drill")), "Say which of the two things is a tool."),
    ((("see you soon", "SEE YOU SOON"), ("hello there", "HELLO THERE"), ("fine by me", "FINE BY ME")), "Rewrite the text in capital letters."),
    ((("the cat sleeps now", "4"), ("rain", "1"), ("we went home", "3")), "Count the words of the text."),
    ((("I lik green tea.", "I like green tea."), ("She is hapy now.", "She is happy now."), ("We wnt home.", "We went home.")), "Correct the spelling of the sentence."),
    ((("Anna met Tom in Rome.", "Rome"), ("We flew to Oslo in May.", "Oslo"), ("It rains in Lima.", "Lima")), "Name the place that the sentence speaks of."),
    ((("He will sing.", "Will he sing?"), ("You are at home.", "Are you at home?"), ("It was cold there.", "Was it cold there?")), "Turn the sentence into a question."),
    ((("Great book. I read it twice.", "book"), ("This phone is slow and too dear.", "phone"), ("My new chair broke.", "chair")), "Say what product the review is about."),
)
"""Tasks with their instruction. None of them is one of the 24 of the instruction-induction set (Honovich et al. 2022, arXiv:2205.10782, table 1)."""
FRAMES = ("Write the {relation}.", "What is the {relation}?", "For each input, give the {relation}.")
RELATIONS = (
    ("France", "Paris", "capital of"),
    ("go", "went", "past tense of"),
    ("dog", "puppy", "young of"),
    ("banana", "yellow", "colour of"),
    ("6", "3", "half of"),
    ("see you soon", "SEE YOU SOON", "uppercase form of"),
    ("We wnt home.", "We went home.", "corrected spelling of"),
    ("He will sing.", "Will he sing?", "question form of"),
    ("the cat sleeps now", "4", "number of words in"),
)
REWORDED = (
    ("Write the capital city of the country.", "For each country, give its capital."),
    ("Name the colour of the thing.", "What colour is this?"),
    ("Count the words of the text.", "Say how many words there are."),
    ("Correct the spelling of the sentence.", "Write the sentence without spelling mistakes."),
)
