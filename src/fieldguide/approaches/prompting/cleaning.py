"""What a cleaner is asked, and which of its rewritings may stand in the place of a text.

A model that rewrites may refuse, answer the text instead, go on and on, or write of something else. Such a rewriting is never used: the text then
stays as it was, with the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fieldguide.approaches.prompting.asking import LEAST_ROOM
from fieldguide.approaches.prompting.fit_text import MARGIN, TokenCounter
from fieldguide.models.model import Generation, Model
from fieldguide.models.text import clean
from fieldguide.tasks.kinds.text_kind import REFUSAL
from fieldguide.tasks.overlap import normalise
from fieldguide.tasks.template import Template

LEAST_SHARED, OWN_WORDS = 0.4, 0.6
"""The share of character trigrams, of the text that has fewer, that text and rewriting must have in common, and that at which what begins like a refusal
("I can't find my card") is none. Of pairs of rows drawn from trec6, cr and tweet_irony 12, 2 and 0.4 % share the former by chance."""
LONGER, SLACK, SHORTER = 1.5, 20, 0.25
"""A rewriting may have so many times the characters of its text, and so many more; it must have this share of them."""
REWRITTEN, UNCHANGED = "rewritten", "unchanged"
LONG, REFUSED, EMPTY, LONGEST, SHORTEST = "does not fit", "refused", "empty", "far longer", "far shorter"
STRANGE, NUMBERS = "shares too little", "other numbers"


@dataclass(frozen=True, slots=True)
class Cleaning:
    """One text before and after: `how` is "rewritten", "unchanged", or why the text was left as it was."""

    before: str
    after: str
    how: str
    parts: tuple[str, ...] = ()
    """The requests that were found in it, where it was split into two or more."""


def asked(template: Template, text: str) -> str:
    """The literal prompt that a text is cleaned by: the text on one line after worked examples."""
    return template.render(" ".join(clean(text).split()), EXAMPLES[template.name])


def cleanings(model: Model, template: Template, texts: Sequence[str], most: int) -> list[Cleaning]:
    """What the model makes of texts, one call for each distinct one that says anything and fits the context."""
    count, context, split = TokenCounter.of(model), model.facts.context, template.name == "split"
    found: dict[str, Cleaning] = {}
    groups: dict[int, list[str]] = {}
    for text in dict.fromkeys(texts):
        if not re.search(r"\w", text):
            found[text] = Cleaning(text, text, UNCHANGED)
            continue
        size = room(count(text), most if split else 1)
        if context is not None and count(asked(template, text)) + size + MARGIN > context:
            found[text] = Cleaning(text, text, LONG)
        else:
            groups.setdefault(size, []).append(text)
    stop = [template.separator] if split or model.facts.type == "api" else [template.separator, "\n"]
    for size, own in sorted(groups.items()):
        written = model.generate([asked(template, text) for text in own], max_tokens=size, stop=stop)
        found.update({text: (parted(text, g, most) if split else rewritten(text, g)) for text, (g,) in zip(own, written, strict=True)})
    return [found[text] for text in texts]


def room(tokens: int, parts: int) -> int:
    """Tokens for a rewriting of so many tokens, rounded up to a power of two, so that few sizes come up."""
    wanted, size = int(LONGER * tokens) + 4 * parts, LEAST_ROOM
    while size < wanted:
        size *= 2
    return size


def rewritten(text: str, written: Generation) -> Cleaning:
    """The first line that was written in the place of the text, unless something speaks against it."""
    said = next((line.strip() for line in clean(written.text).splitlines() if line.strip()), "")
    if why := against(text, said, written):
        return Cleaning(text, text, why)
    return Cleaning(text, text, UNCHANGED) if said == " ".join(text.split()) else Cleaning(text, said, REWRITTEN)


def parted(text: str, written: Generation, most: int) -> Cleaning:
    """The text's requests, a line each, where there are two to `most` of them, each of the text's own words, and nothing speaks against them together."""
    lines = [re.sub(r"^(?:[-*•]|\d+[.)])\s*", "", line.strip()) for line in clean(written.text).splitlines()]
    parts = tuple(dict.fromkeys(line for line in lines if line))
    why = against(text, " ".join(parts), written)
    if not why and len(parts) > 1 and not all(shared(text, part) >= LEAST_SHARED for part in parts):
        why = STRANGE
    if why or not 1 < len(parts) <= most:
        return Cleaning(text, text, why or UNCHANGED)
    return Cleaning(text, "\n".join(parts), REWRITTEN, parts)


def against(text: str, said: str, written: Generation) -> str:
    """Why what was written may not stand in the place of a text; "" if it may."""
    if written.finish == "refused" or (REFUSAL.match(said) and shared(text, said) < OWN_WORDS):
        return REFUSED
    if not re.search(r"\w", said):
        return EMPTY
    if written.finish == "length" or len(said) > LONGER * len(text) + SLACK:
        return LONGEST
    if len(said) < SHORTER * len(text):
        return SHORTEST
    if shared(text, said) < LEAST_SHARED:
        return STRANGE
    return "" if Counter(re.findall(r"\d+", text)) == Counter(re.findall(r"\d+", said)) else NUMBERS


def shared(text: str, said: str) -> float:
    """|A ∩ B| / min(|A|, |B|) of the sets of character trigrams (the overlap coefficient: Szymkiewicz 1934, Simpson 1943), case and space aside."""
    one, other = ({f" {own} "[i : i + 3] for i in range(len(own))} for own in (normalise(text), normalise(said)))
    return len(one & other) / max(min(len(one), len(other)), 1)


def cleaner(way: str) -> Template:
    """The prompt of a way to clean."""
    cue, answer = ("Requests:", "{answer}") if way == "split" else ("Rewritten:", " {answer}")
    return Template(way, INSTRUCTIONS[way], "Text: {text}\n" + cue, answer)


INSTRUCTIONS: Mapping[str, str] = {
    "spelling": "Correct the spelling and the grammar of each text. Change nothing else.",
    "restate": "Say in one plain sentence what each text says. Keep its words, names and numbers where you can, and leave nothing out that matters.",
    "split": "Each text makes one request or several. Write each request on a line of its own, in the words of the text.",
}
EXAMPLES: Mapping[str, Sequence[tuple[str, str]]] = {
    "spelling": (
        ("i cant find teh recipt for my order, can u send it agian", "I can't find the receipt for my order, can you send it again?"),
        ("The train leaves at 9 from platform 4.", "The train leaves at 9 from platform 4."),
        ("this fone is grate but the batery dont last", "This phone is great but the battery doesn't last."),
    ),
    "restate": (
        ("ok so like, my order, the blue lamp?? its been 3 weeks and nothing came", "My order of the blue lamp has not come after 3 weeks."),
        ("The train leaves at 9 from platform 4.", "The train leaves at 9 from platform 4."),
        ("wow, what a film, could hardly stay awake lol", "The film was so dull that I could hardly stay awake."),
    ),
    "split": (
        ("please cancel my order and tell me when the refund comes", "\n- please cancel my order\n- tell me when the refund comes"),
        ("what time does the shop open on Sunday?", "\n- what time does the shop open on Sunday?"),
        ("book a table for 4, and is there parking? also do you take cards", "\n- book a table for 4\n- is there parking?\n- do you take cards"),
    ),
}
"""Way → worked examples, (text, what is made of it): of no data set, the same in every prompt."""
