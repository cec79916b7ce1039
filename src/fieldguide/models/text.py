"""Text as tokenisers can take it."""

from __future__ import annotations


def clean(text: str) -> str:
    """The text, with halves of surrogate pairs (JSON escapes can leave them) replaced by "?", which tokenisers refuse otherwise."""
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")


def parted(prompt: str, option: str) -> tuple[str, str]:
    """Prompt and option as models read them: clean, and spaces at the prompt's end moved to the option."""
    prompt, option = clean(prompt), clean(option)
    head = prompt.rstrip()
    return head, prompt[len(head) :] + option
