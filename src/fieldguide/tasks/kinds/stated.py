"""Which of a row's choices a free text states: by letter, by the choice's own text, or by both; never by a guess.

A text states a choice where it begins with it ("B", "(b)", "B) the text", "the text, since …", "B is right"), or where what follows a
cue does ("the answer is …", "option …", "I choose …"). A letter that may be a word ("a planet") or an initial ("A. Smith") states none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from fieldguide.tasks.kinds.forms import letters

LONGEST = 2_000
"""Characters of a statement that are looked at, beyond the longest choice."""
MOST_CUES = 40
CUE = re.compile(
    r"""(?ix) \b (?:answer|option|choice|alternative|letter|response|statement|candidate)s? \b
            (?: \s+ (?:is|was|would\sbe|should\sbe|must\sbe) \b (?: \s+ (?:clearly|definitely|probably|likely|therefore|thus) \b )? )?
      | \b I (?: \s (?:would|will) | ['’](?:d|ll) )? \s+ (?:choose|pick|select|prefer|say|go\swith) \b (?: \s it (?:\sis|['’]s) )?
      | \b (?:it|one) (?: \s+ (?:is|must\sbe) | ['’]s ) \b
      | \\boxed\b | 答案 (?:应该|應該|应|應)? [是为為]? | 选 (?:择|项)? | 選 (?:擇|項)? """
)
AFTER_CUE = re.compile(r"[\s:=>\"'“”‘’「『{*_]{0,20}")
TURNED = re.compile(r"(?i)\b(?:not|never|cannot|neither|nor|doubt|wrong|unlikely|whether)\b|n['’]t\b|^\s*(?:is|was|if|would|could|should|why)\b")
"""What turns a cue into its opposite, or into a question, where it stands before it in the sentence."""
CLAUSE = re.compile(r"[.;!?\n]|,\s*(?:so|but|thus|hence|therefore|and)\b")
LETTER = re.compile(r"[(\[<{]?(?P<letter>[A-Z]{1,2}|[a-z])(?![\w'’])(?P<rest>.*)", re.S)
OTHER = re.compile(
    r"(?i)[)\]>}]?\s*(?:,|/|&|\+|\bor\b|\band\b)\s*(?:(?:option|choice|response)\s+)?[(\[]?(?P<letter>[a-z]{1,2})(?![\w'’])(?!\s+[a-z])"
)
RIGHT = re.compile(
    r"(?i)[)\]>}]?\s+(?:is|would be|seems|must be)\s+(?:clearly\s+)?(?:the\s+)?(?:correct|right|best|better|true|preferred|preferable)\b"
)
WRONG = re.compile(r"(?i)\W*\b(?:is|was|are|isn['’]t|cannot|not|wrong|incorrect|false)\b")
REASON = re.compile(
    r"(?i)\s*[.,;:–—-]*\s*(?:because|since|as|so|this|that|these|the|it|they|which|when|if|in|by|for|my|explanation|reason\w*|rationale)\b"
)
MENTION = re.compile(r"(?<![\w'’.])[(\[]?(?P<letter>[A-Z]{1,2})(?![\w'’])(?!\s+[a-z])|(?<![\w'’.])[(\[](?P<closed>[A-Z]{1,2})[)\]]")
END = re.compile(r"[.,:;!\n)\]\"'”’»<}。，；！」』]|\s*$")


def stated(text: str, choices: Sequence[str]) -> set[int]:
    """Places of the choices that the text states: one if it gives an answer, several if it contradicts itself, none if it states none."""
    longest, folded = LONGEST + max(map(len, choices), default=0), [_folded(_unmarked(choice)) for choice in choices]
    said = _unmarked(text[: 20 * longest]).strip(" \t\r\n\"'“”‘’*_#")
    found = {i for i, choice in enumerate(choices) if choice.strip() and choice.strip() == text.strip()}
    for cued, part in ((False, said[:longest]), *((True, part) for part in _after_cues(said, longest))):
        found |= _by_text(part, folded) | _by_letter(part, folded, cued)
    return found


def _after_cues(text: str, longest: int) -> Iterator[str]:
    for count, cue in enumerate(CUE.finditer(text)):
        if count == MOST_CUES:
            return
        before = CLAUSE.split(text[max(cue.start() - 200, 0) : cue.start()])[-1]
        if not TURNED.search(before) and (gap := AFTER_CUE.match(text, cue.end())):
            yield text[gap.end() :][:longest]


def _by_text(text: str, folded: Sequence[str]) -> set[int]:
    """The choices whose text the given one is, or else begins with, and any that what follows names besides."""
    whole = _folded(text)
    if same := {i for i, choice in enumerate(folded) if choice and choice == whole}:
        return same
    begun = [choice for choice in folded if (len(choice) > 1 or choice.isdigit()) and whole.startswith(choice) and _ends(whole[len(choice) :])]
    longest = max(begun, key=len, default="")
    return {i for i, choice in enumerate(folded) if longest and (choice == longest or _names(whole[len(longest) :], choice))}


def _ends(rest: str) -> bool:
    """Whether a choice's text may end where this comes next."""
    return not re.match(r"[.,]\d", rest) and bool(END.match(rest) or RIGHT.match(rest) or re.match(r"\s+(?:because|since|as|[–—-])\s", rest))


def _by_letter(text: str, folded: Sequence[str], cued: bool) -> set[int]:
    """The choice whose letter the text begins with, and any other by which what follows contradicts it."""
    names = letters(len(folded))
    begun = LETTER.match(text)
    if not begun or begun["letter"].upper() not in names:
        return set()
    letter, rest = begun["letter"], begun["rest"]
    found, closed, after = {names.index(letter.upper())}, rest[:1] in tuple(")]>}"), rest.lstrip(")]>}.:,;–—- \t\"'")
    if (other := OTHER.match(rest)) and other["letter"].upper() in names:
        return found | {names.index(other["letter"].upper())}
    if rest.lstrip(")]>} ").startswith("?"):
        return set()
    if not after.strip("!*_ \n") or RIGHT.match(rest):
        return found
    if (own := _by_text(after, folded)) and (own == found or closed or not rest[0].isspace() or letter not in "aAI"):
        return found | own
    if WRONG.match(rest) or not _stands(letter, rest, closed, cued):
        return set()
    mentioned = {m["letter"] or m["closed"] for m in MENTION.finditer(rest)} if not cued else set()
    return found | {i for i, choice in enumerate(folded) if names[i] in mentioned or _names(_folded(rest), choice)}


def _stands(letter: str, rest: str, closed: bool, cued: bool) -> bool:
    """Whether a letter that other words follow is meant as one: it is closed by a bracket or a line's end, explained, or ends what a cue began."""
    if re.match(r"[.:,;]?[ \t]*\n", rest) or (closed and re.match(r".(?:[\s.,:;]|(?-i:[A-Z\d]))", rest, re.S)):
        return True
    if letter.isupper() and re.match(r"[.,;–—-]|\s+(?:[–—-]|because|since|as)\s", rest) and REASON.match(rest):
        return True
    return cued and bool(END.match(rest)) and not re.match(r"\.\s*[A-Z]\.|\.\w", rest)


def _names(text: str, choice: str) -> bool:
    """Whether a folded choice of more than one character stands in a folded text, not inside a word or a number."""
    if len(choice) < 2 or choice not in text:
        return False
    before, after = r"(?<![\w.])" if choice[0].isascii() else "", r"(?!\w|[.,]\d)" if choice[-1].isascii() else ""
    return bool(re.search(before + re.escape(choice) + after, text))


def _unmarked(text: str) -> str:
    """The text without the marks of emphasis, code and formulas that chat models put around answers."""
    return re.sub(r"\*\*|__|`+|\\(?:text|mathrm|mathbf)\b", "", unicodedata.normalize("NFKC", text))


def _folded(text: str) -> str:
    """The text without case, outer punctuation and runs of white space; where lines end still shows."""
    return re.sub(r"\s+", lambda run: "\n" if "\n" in run[0] else " ", unicodedata.normalize("NFKC", text)).strip(" \t\n.,;:!\"'`*“”‘’。，").casefold()
