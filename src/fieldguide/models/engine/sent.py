"""How many tokens a call of requests is, as it is metered: what is sent, and what sharing can save of it."""

from __future__ import annotations

from collections.abc import Sequence

from fieldguide.models.engine.requests import Request


def tokens_sent(requests: Sequence[Sequence[Request]]) -> tuple[int, int]:
    """(tokens sent, tokens that would be computed if nothing were shared but a prompt among its own options).

    A prompt counts once, each of its options in full; an option's last token is sent, but nothing is read after it.
    """
    prompts = sum(max(len(r.prompt) for r in own) for own in requests)
    options = sum(len(r.targets) for own in requests for r in own)
    return prompts + options, prompts + options - sum(len(own) for own in requests)
