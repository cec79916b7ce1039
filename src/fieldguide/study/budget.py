"""The one dial: how much may be spent, in minutes, dollars, calls or tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fieldguide.errors import UserError

THOUSANDS = {"": 1.0, "k": 1e3, "m": 1e6}
SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Budget:
    """`unit` is "seconds", "usd", "calls" or "tokens"."""

    amount: float
    unit: str
    text: str

    def spent(self, *, seconds: float, usd: float, calls: int, tokens: float = 0.0) -> float:
        """What has been spent, in this budget's unit."""
        return {"seconds": seconds, "usd": usd, "calls": calls, "tokens": tokens}[self.unit]


UNLIMITED = Budget(float("inf"), "seconds", "none")


def parse_budget(text: str | None) -> Budget:
    """`10m`, `45s`, `2h`, `$5`, `2000calls` or `5mtokens`; None means no limit. Anything else raises `UserError`."""
    if text is None:
        return UNLIMITED
    cleaned = text.strip().lower().replace(" ", "").replace("_", "").replace(",", "")
    number = r"(\d+(?:\.\d+)?)"
    if match := re.fullmatch(rf"\${number}|{number}(?:\$|usd)", cleaned):
        amount, unit = float(match[1] or match[2]), "usd"
    elif match := re.fullmatch(rf"{number}calls?", cleaned):
        amount, unit = float(match[1]), "calls"
    elif match := re.fullmatch(rf"{number}([km]?)tokens?", cleaned):
        amount, unit = float(match[1]) * THOUSANDS[match[2]], "tokens"
    elif match := re.fullmatch(rf"{number}(s|m|min|h)", cleaned):
        amount, unit = float(match[1]) * SECONDS[match[2]], "seconds"
    else:
        raise UserError(f"The budget {text!r} is not understood; give minutes (10m), hours (2h), dollars ($5), calls (2000calls) or tokens (5Mtokens).")
    if amount <= 0:
        raise UserError(f"The budget {text!r} leaves nothing to spend; give an amount above zero, such as 10m.")
    return Budget(amount, unit, text.strip())
