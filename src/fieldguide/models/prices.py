"""What an API's tokens cost: a small dated table, and a file of the user's own that goes before it.

Prices move several times a year, and gateways ask their own. The table therefore holds only OpenAI's longest-standing models, counts for
OpenAI's own server alone, and says where and when each price was read; `FIELDGUIDE_PRICES` names a JSON file that adds or replaces:

    {"my-model": {"prompt": 0.40, "cached": 0.10, "completion": 1.60, "date": "2026-11-01"}}

in dollars a million tokens. "cached" (prompt tokens that the provider found in its cache) is as dear as "prompt" unless given.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldguide.errors import ModelError

VARIABLE = "FIELDGUIDE_PRICES"
OFFICIAL = "https://api.openai.com"


@dataclass(frozen=True)
class Price:
    """Dollars a million tokens, when that was read, and where."""

    prompt: float
    cached: float
    completion: float
    date: str
    source: str

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """Dollars; `cached_tokens` are among the prompt's."""
        return ((prompt_tokens - cached_tokens) * self.prompt + cached_tokens * self.cached + completion_tokens * self.completion) / 1e6

    def most(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The most that this many tokens can cost, whatever the cache held."""
        return (prompt_tokens * max(self.prompt, self.cached) + completion_tokens * self.completion) / 1e6


FREE = Price(0.0, 0.0, 0.0, "", "a server on this machine: its work is priced from seconds")

# Read from pages that quote https://developers.openai.com/api/docs/pricing on the dates given, not from that page itself.
PRICES: dict[str, Price] = {
    "gpt-4.1": Price(2.00, 0.50, 8.00, "2026-06-21", "https://tokenmath.io/openai-api-pricing-explained"),
    "gpt-4.1-mini": Price(0.40, 0.10, 1.60, "2026-06-21", "https://tokenmath.io/openai-api-pricing-explained"),
    "gpt-4o": Price(2.50, 1.25, 10.00, "2026-05-27", "https://github.com/CommitBrief/commitbrief/wiki/Provider-OpenAI"),
    "gpt-4o-mini": Price(0.15, 0.075, 0.60, "2026-05-27", "https://github.com/CommitBrief/commitbrief/wiki/Provider-OpenAI"),
}


def price_of(model: str, origin: str, *, local: bool) -> Price | None:
    """The price of a model at a server (`origin`: scheme, host and port), or None where it is not known.

    The user's file goes first, for local servers too (a gateway on this machine may ask for money). Raises `ModelError` if the file
    cannot be read as prices.
    """
    own = _own_prices()
    if model in own:
        return own[model]
    if local:
        return FREE
    return PRICES.get(model) if origin == OFFICIAL else None


def unknown(model: str) -> str:
    """What to say where dollars are limited and the price is not known."""
    return (
        f"There is a limit in dollars, and the price of {model!r} is not known; name a JSON file in {VARIABLE} that gives it in dollars a million "
        f'tokens, such as {{"{model}": {{"prompt": 0.40, "cached": 0.10, "completion": 1.60, "date": "2026-11-01"}}}}. Nothing was sent.'
    )


def _own_prices() -> dict[str, Price]:
    path = os.environ.get(VARIABLE, "").strip()
    if not path:
        return {}
    try:
        table = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"The price file {path}, named in {VARIABLE}, cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise ModelError(f"The price file {path}, named in {VARIABLE}, is not JSON ({error}).") from None
    if not isinstance(table, dict):
        raise ModelError(f"The price file {path} must hold an object of model names, but it holds a {type(table).__name__}.")
    return {name: _price(name, entry, path) for name, entry in table.items()}


def _price(name: str, entry: Any, path: str) -> Price:
    where = f"The price of {name!r} in {path}"
    known = ("prompt", "cached", "completion", "date")
    if not isinstance(entry, dict) or not {"prompt", "completion"} <= entry.keys():
        raise ModelError(f'{where} must be an object with "prompt" and "completion", and may have "cached" and "date"; {entry!r} came.')
    if strange := sorted(entry.keys() - set(known)):
        raise ModelError(f"{where} has the unknown key {strange[0]!r}; the keys are {', '.join(known)}.")
    figures = [entry["prompt"], entry.get("cached", entry["prompt"]), entry["completion"]]
    for figure in figures:
        if isinstance(figure, bool) or not isinstance(figure, (int, float)) or not math.isfinite(figure) or figure < 0:
            raise ModelError(f"{where} must be given in numbers of dollars, 0 or more; {figure!r} came.")
    prompt, cached, completion = map(float, figures)
    return Price(prompt, cached, completion, str(entry.get("date", "")), path)
