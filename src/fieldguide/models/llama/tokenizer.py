"""llama.cpp's tokeniser in the form that this package asks of one: callable, with ids of the special tokens and `decode`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fieldguide.models.llama.native import Native
from fieldguide.models.text import clean


class LlamaTokenizer:
    """As far as transformers' tokenisers are used here, this one can stand for them."""

    def __init__(self, native: Native) -> None:
        self._native = native
        self.bos_token_id = self._id("bos")
        self.eos_token_id = self._id("eos")
        self.unk_token_id = self._id("unknown")

    def _id(self, name: str) -> int | None:
        found = self._native.about(f"tokenizer.ggml.{name}_token_id")
        return int(found) if found.isdecimal() and int(found) < self._native.vocab_size else None

    def __call__(self, texts: str | Sequence[str], *, add_special_tokens: bool = True, **_: Any) -> dict[str, Any]:
        """{"input_ids": ids of the text, or of each text}."""
        if isinstance(texts, str):
            return {"input_ids": self._native.tokenize(clean(texts).encode(), add_special_tokens)}
        return {"input_ids": [self._native.tokenize(clean(text).encode(), add_special_tokens) for text in texts]}

    def decode(self, tokens: Sequence[int], *, skip_special_tokens: bool = False, **_: Any) -> str:
        """The text of some tokens; control tokens are written out or left out."""
        return b"".join(self._native.piece(token, special=not skip_special_tokens) for token in tokens).decode("utf-8", "replace")
