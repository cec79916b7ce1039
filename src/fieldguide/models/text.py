"""Text as tokenisers can take it."""

from __future__ import annotations


def clean(text: str) -> str:
    """The text, with halves of surrogate pairs (JSON escapes can leave them) replaced by "?", which tokenisers refuse otherwise."""
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
