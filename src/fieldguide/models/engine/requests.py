"""Prompts and options → token sequences, cut at the seam exactly as lm-evaluation-harness 0.4.13 cuts them.

`TemplateLM._encode_pair` there: spaces at the end of a prompt move to the option, prompt and option are tokenised as one
string, and the option's tokens are those past the prompt's own count. Numbers from the two can then be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fieldguide.models.text import clean


@dataclass(frozen=True, slots=True)
class Request:
    """One option under one prompt. `inputs` are fed to the model; its last `len(targets)` places predict `targets`."""

    inputs: tuple[int, ...]
    targets: tuple[int, ...]

    @property
    def first(self) -> int:
        """The first place in `inputs` whose prediction is read."""
        return len(self.inputs) - len(self.targets)

    @property
    def prompt(self) -> tuple[int, ...]:
        """The prompt's tokens, after truncation."""
        return self.inputs[: self.first + 1]


def make_requests(tokenizer: Any, prompts: Sequence[str], options: Sequence[Sequence[str]], context: int) -> list[list[Request]]:
    """A request for each option of each prompt.

    A request longer than the context loses tokens from the left, so that `context` inputs remain. An option that vanishes
    into the prompt's last token (the two merge at the seam) is tokenised on its own, and one that the tokeniser drops altogether
    is an unknown token.
    """
    pairs = [[_part(clean(prompt), clean(option)) for option in own] for prompt, own in zip(prompts, options, strict=True)]
    flat = [pair for own in pairs for pair in own]
    encode = _Encoder(tokenizer)
    whole = encode({head + tail for head, tail in flat if head} | {head for head, _ in flat if head})
    bare = encode({tail for _, tail in flat}, special=False)

    def request(head: str, tail: str) -> Request:
        if head:
            prompt = whole[head]
            said = whole[head + tail][len(prompt) :] or bare[tail]
        else:
            prompt, said = [], bare[tail]
        said = said or [encode.unknown]
        if not prompt:
            prompt = [encode.prefix]
            if said[0] == encode.prefix and len(said) > 1:
                said = said[1:]
        said = said[-context:]
        tokens = (*prompt, *said)[-(context + 1) :]
        return Request(tokens[:-1], tuple(said))

    return [[request(head, tail) for head, tail in own] for own in pairs]


def _part(prompt: str, option: str) -> tuple[str, str]:
    head = prompt.rstrip()
    return head, prompt[len(head) :] + option


class _Encoder:
    """Tokenises many strings at once, with the special tokens that the tokeniser adds by default."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.prefix: int = prefix_token(tokenizer)
        self.unknown: int = self.prefix if tokenizer.unk_token_id is None else tokenizer.unk_token_id
        self._prefix_text: str = tokenizer.decode([self.prefix])

    def __call__(self, texts: set[str], special: bool = True) -> dict[str, list[int]]:
        """Text → token ids. A text that already begins with the prefix token gets no second one."""
        found: dict[str, list[int]] = {}
        for adds in (True, False):
            group = [t for t in texts if (special and not t.startswith(self._prefix_text)) is adds]
            if group:
                ids = self.tokenizer(group, add_special_tokens=adds, return_attention_mask=False, verbose=False)["input_ids"]
                found.update(zip(group, ids, strict=True))
        return found


def prefix_token(tokenizer: Any) -> int:
    """What an empty prompt becomes: the token that begins texts, or else the one that ends them."""
    return next((i for i in (tokenizer.bos_token_id, tokenizer.eos_token_id) if i is not None), 0)
