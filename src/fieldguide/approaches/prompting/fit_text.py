"""Making a prompt fit a model's context: counting tokens, and cutting a row's text, never the instruction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fieldguide.approaches.reading import CHARACTERS_A_TOKEN, cut
from fieldguide.models.model import Model
from fieldguide.models.text import clean
from fieldguide.records import Inputs

MARGIN = 8  # tokens left free, since pieces counted apart can join differently


@dataclass(frozen=True)
class TokenCounter:
    """Counts tokens with the model's own tokeniser; where it has none, about 1.5 a word and 1 a character beyond ASCII."""

    tokenizer: Any = None

    @classmethod
    def of(cls, model: Model) -> TokenCounter:
        return cls(getattr(model, "tokenizer", None))

    def __call__(self, text: str) -> int:
        if self.tokenizer is not None:
            return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        wide = sum(not character.isascii() for character in text)
        return int(1.5 * len(text.split())) + wide + len(text) // 40 + 1


def shorten(inputs: Inputs, tokens: int, show: Callable[[Inputs], str], count: TokenCounter) -> Inputs:
    """The row with its longest columns, or the longest texts of its lists, cut so that `show(row)` takes at most `tokens` tokens.

    Columns that are short stay whole. Cuts to nothing if even that is too long: the frame around the text is never touched.
    """
    inputs = capped(inputs, max(tokens, 1) * CHARACTERS_A_TOKEN)
    if count(show(inputs)) <= tokens:
        return inputs
    longest = max((len(text) for cell in inputs.values() for text in ([cell] if isinstance(cell, str) else cell)), default=0)
    low, high = 0, longest  # `low` fits or is nothing, `high` does not fit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(show(capped(inputs, middle))) <= tokens else (low, middle)
    return capped(inputs, low)


def within(text: str, tokens: int, count: TokenCounter) -> str:
    """A text cut to at most so many tokens."""
    return str(shorten({"text": text}, tokens, lambda row: str(row["text"]), count)["text"])


def capped(inputs: Mapping[str, str], characters: int) -> Inputs:
    return {
        column: clean(cut(cell, characters)) if isinstance(cell, str) else [clean(cut(text, characters)) for text in cell]
        for column, cell in inputs.items()
    }
