"""Texts that hold no answer of any kind, for every kind's tests; they ship, so that `check_kind` asks the same of kinds made elsewhere."""

from fieldguide.testing.hostile import NOTHING

__all__ = ["NOTHING"]
