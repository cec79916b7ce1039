"""Where a continuation ends: end tokens, stop strings, and the text that is left. Shared by everything that generates on local weights."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from fieldguide.models.model import Generation


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end a text, by the generation settings and the tokeniser."""
    own = getattr(model.generation_config, "eos_token_id", None)
    ends = own if isinstance(own, list) else [own]
    return [i for i in dict.fromkeys((*ends, tokenizer.eos_token_id)) if i is not None]


def holds_stop(tokenizer: Any, ids: Sequence[int], stop: Sequence[str]) -> bool:
    """Whether the text of these tokens holds a stop string."""
    text = tokenizer.decode(ids, skip_special_tokens=True)
    return any(mark in text for mark in stop if mark)


def ends_with_stop(tokenizer: Any, ids: Sequence[int], stop: Sequence[str]) -> bool:
    """Whether the last token brought a stop string, none having been there before: only the end of the text is looked at."""
    reach = 2 * max((len(mark.encode("utf-8", "surrogatepass")) for mark in stop), default=0) + 8  # tokens; one is a byte at least, or nothing
    return holds_stop(tokenizer, ids[-reach:], stop)


def finish(tokenizer: Any, ids: Sequence[int], stop: Sequence[str], ends: Sequence[int], logprob: float | None = None) -> Generation:
    """Cut at the first end token, then before the first stop string. Tokens count what was generated, the end token included."""
    at = next((i for i, token in enumerate(ids) if token in ends), None)
    kept = list(ids if at is None else ids[:at])
    text = tokenizer.decode(kept, skip_special_tokens=True)
    cut = min((place for mark in stop if mark and (place := text.find(mark)) >= 0), default=None)
    if cut is not None:
        used = bisect_left(range(len(kept)), True, lo=1, key=lambda k: holds_stop(tokenizer, kept[:k], stop))
        return Generation(text[:cut], tokens=used, finish="stop", logprob=logprob)
    return Generation(text, tokens=len(kept) + (at is not None), finish="length" if at is None else "stop", logprob=logprob)


def seed_of(*parts: object) -> int:
    """A seed of 56 bits from a user's seed, a prompt and a sample's number: the same in any batch and any process."""
    text = "\0".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=7).digest(), "big")
