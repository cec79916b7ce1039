"""Span extraction: a question, and the passage of a text that answers it, if any does (reading comprehension, slots of a dialogue).

Gold answers come as SQuAD has them ({"text": […], "answer_start": […]}, or a list of texts beside a column of starts), as a list of
{"text", "start"}, or as one text; an empty list says that there is no answer. Dialogue rows with slots ({"slot", "start", "end", "value"};
Coope et al. 2020, arXiv:2005.08866) become a question for each slot that is filled and for one that is not. `start` counts code points.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from fieldguide.errors import DataError
from fieldguide.records import Inputs, Prediction, Unparsed, fingerprint
from fieldguide.tasks.cells import blank, text_of
from fieldguide.tasks.infer import TARGET_NAMES
from fieldguide.tasks.kinds.forms import NO_SPAN, SpanKind
from fieldguide.tasks.tables import Table
from fieldguide.tasks.task import TaskSpec
from fieldguide.tasks.template import Template

QUESTIONS, CONTEXTS, ANSWERS = ("question", "query"), ("context", "passage", "paragraph", "text", "document", "article"), ("answers", "answer")
SLOTS = "slots"
NONE = "no answer"
SAMPLE = 500
"""Rows by which a table is known."""
LONGEST_READ = 4_000
"""Characters of a written answer beyond which it is no quotation."""
MOST_REMARKS = 20
ROOM = 32
"""Tokens that a written answer may take where a character is one byte."""


class SpanExtraction(SpanKind):
    name = "span-extraction"
    metrics = ("squad_f1", "exact_match")
    trivial_words = "always giving no answer, or the first words of the text"

    # How rows are read.

    @classmethod
    def columns(cls, table: Table) -> tuple[tuple[str, ...], str] | None:
        step = max(len(table) // SAMPLE, 1)
        if SLOTS in table.columns and "text" in table.columns:
            slots = [_plain(cell) for cell in table.columns[SLOTS][::step] if not blank(cell)]
            told = any(slots) and all(map(_is_slots, slots)) and not TARGET_NAMES & set(table.columns)
            return (("question", "context"), "answers") if told else None
        question, context, answer = (next((name for name in known if name in table.columns), None) for known in (QUESTIONS, CONTEXTS, ANSWERS))
        if not question or not context or not answer:
            return None
        quoted = _quoted(table.columns[answer][::step], table.columns[context][::step])
        return ((question, context), answer) if quoted > 0 and (quoted >= 0.95 or _starts(table, answer) is not None) else None

    @classmethod
    def claim(cls, inputs: Mapping[str, Sequence[str]], targets: Sequence[Any]) -> float:
        context = _context(tuple(inputs)) if inputs else ""
        return 0.9 if len(inputs) == 2 and context.lower() in CONTEXTS and _quoted(targets, inputs[context]) >= 0.95 else 0.0

    def shape(self, table: Table, inputs: Sequence[str], target: str) -> Table:
        """Answers as lists of {"text", "start"}, in place: a start that does not fit its text is mended, a text that stands nowhere refused."""
        context, starts = _context(inputs), _starts(table, target)
        if target not in table.columns and SLOTS in table.columns and "text" in table.columns:
            return _asked(table)
        if target not in table.columns or context not in table.columns:
            return table  # what reads the columns next says so
        found: list[list[dict[str, Any]] | None] = []
        for i, cell in enumerate(table.columns[target]):
            text, where = text_of(table.columns[context][i], table, i, context), table.where(i, target)
            spans = None if blank(cell) else _read(cell, where, None if starts is None else _plain(starts[i]))
            found.append(None if spans is None else [_placed(held, start, text, where) for held, start in spans])
        return replace(table, columns={**table.columns, target: found})

    def read(self, value: Any, where: str) -> list[dict[str, Any]]:
        spans = dict.fromkeys(_read(value, where, None))
        return [{"text": text, "start": -1 if start is None else start} for text, start in spans]

    def fits(self, inputs: Inputs, target: Any, where: str) -> None:
        context = inputs[_context(tuple(inputs))]
        for span in target:
            if not _stands(span, context):
                said = f"the answer {span['text'][:60]!r} at {span['start']}"
                raise DataError(f"{where} has {said}, where its text has something else; correct the start.")

    def check(self, table: Table, target: str, values: Sequence[Any]) -> list[str]:
        if not any(values):
            raise DataError(f"No row of {table.name} has an answer in column {target!r}, so nothing can be learned; name another with --target.")
        none = sum(not held for held in values)
        return [f"{none:,} of {len(values):,} rows of {table.name} have no answer in their text."] if none else []

    def labels(self, targets: Sequence[Any]) -> tuple[str, ...]:
        return ()

    def stratum(self, target: Any) -> str:
        return "an answer" if target else NONE

    # How a row is shown.

    def question(self, spec: TaskSpec, inputs: Inputs) -> str:
        return "\n".join(inputs[column] for column in spec.inputs if column != _context(spec.inputs))

    def context(self, spec: TaskSpec, inputs: Inputs) -> str:
        return inputs[_context(spec.inputs)]

    def family(self, spec: TaskSpec, inputs: Inputs) -> str:
        return self.context(spec, inputs)

    def segments(self, spec: TaskSpec, inputs: Inputs) -> tuple[str, ...]:
        return ("\n".join(filter(None, (self.question(spec, inputs), self.context(spec, inputs)))),)

    def show(self, spec: TaskSpec, inputs: Inputs) -> str:
        question, context = self.question(spec, inputs), re.sub(r"\s*\n\s*", "\n", self.context(spec, inputs))  # blank lines part a prompt's rows
        return f"Text: {context}" + (f"\nQuestion: {question}" if question else "")

    def templates(self, spec: TaskSpec) -> tuple[Template, ...]:
        row = "{text}\nAnswer:"
        return (
            Template("plain", f"Answer each question with words copied from its text. Where the text holds no answer, write: {NONE}", row),
            Template("question", f"Which words of the text answer the question? Give the shortest passage that does, word for word, or: {NONE}", row),
            Template("role", f"You mark answers in texts: copy the exact words, add nothing. If there are none, say “{NONE}”.", "{text}\nPassage:"),
            Template("bare", "", row),
        )

    # Answers.

    def room(self, spec: TaskSpec, inputs: Inputs) -> int:
        """By the bytes that a character of the text takes: one to three of XQuAD's answers in a hundred take more tokens of SmolLM2."""
        context = self.context(spec, inputs)
        size = len(context.encode("utf-8", "replace"))
        return min(round(ROOM * size / max(len(context), 1)), size + 8)

    def say(self, spec: TaskSpec, value: Any, inputs: Inputs | None = None) -> str:
        """The passage on one line; of a target, the first of its answers."""
        span: Any = value if isinstance(value, Mapping) else next(iter(value), NO_SPAN)
        return " ".join(span["text"].split()) or NONE

    def parse(self, spec: TaskSpec, text: str, inputs: Inputs | None = None) -> dict[str, Any] | Unparsed:
        """The one passage that the text quotes, at its first place in the context, or that there is none.

        The whole text counts first, then what is left of it without an opening ("The answer is"), quotation marks and a full stop. Lines
        after the first are remarks where a blank line or a heading parts them from it, unless they quote something else or doubt it.
        """
        context = "" if inputs is None else self.context(spec, inputs)
        if found := _first(text, context):
            return found
        head, *tail = REMARK.split(text.strip(), maxsplit=1)
        found = _first(head.rstrip(STOPS) if tail else head, context)
        if tail and not HEADING.match(tail[0]):
            others = [other for line in tail[0].splitlines()[:MOST_REMARKS] if (other := _first(line, context))]
            if DOUBT.match(tail[0]) or (found and any(found["text"] not in other["text"] for other in others)):
                return Unparsed(text, "takes back what it says")
        if not found and any(NOTHING_SAID.fullmatch(_folded(reading)[0].strip(STOPS)) for reading in _readings(head)):
            return dict(NO_SPAN)
        return found or Unparsed(text, "quotes no passage of the text")

    def fault(self, spec: TaskSpec, inputs: Inputs, value: Any) -> str | None:
        if value == NO_SPAN:
            return None
        sound = isinstance(value, Mapping) and set(value) == {"text", "start"} and isinstance(value["text"], str) and type(value["start"]) is int
        if not sound or not value["text"]:
            return "is no text with its start"
        return None if _stands(value, self.context(spec, inputs)) else "is no passage of the text"

    def usual(self, spec: TaskSpec, targets: Sequence[Any]) -> dict[str, Any]:
        """Whether most rows have no answer, and the median length of an answer in words."""
        lengths = [len(words(held[0]["text"])) for held in targets if held]
        return {"empty": 2 * len(lengths) < len(targets), "words": int(np.median(lengths)) if lengths else 1}

    def usually(self, spec: TaskSpec, usual: Any, inputs: Inputs) -> Prediction:
        context = self.context(spec, inputs)
        first = words(context)[: max(usual["words"], 1)]
        if usual["empty"] or not first:
            return Prediction(dict(NO_SPAN))
        return Prediction({"text": context[first[0][0] : first[-1][1]], "start": first[0][0]})


# Quotations: free text read as a passage of another.

TEXT = r"(?:the|this) (?:given |provided )?(?:text|context|passage|paragraph|article|sentence)"
OPENING = re.compile(
    rf"(?i:(?:sure|ok(?:ay)?|certainly|of course|so|thus|therefore|hence|well)\b[,.!:]*\s+|(?:according to|based on|from|in) {TEXT}\b[,:]?\s+"
    r"|(?:here(?: is|'s|’s) )?(?:(?:the|my|correct|exact|final|short|shortest|best|extracted)\s+)*(?:answer|span|quote|quotation|passage|phrase)"
    rf"(?: (?:to|for) (?:the|this|your) question)?(?: (?:in|from) {TEXT})?\s*(?:(?:is|are|was|reads)\b\s*:?|[:：=→]|->)\s*"
    r"|it(?:'s|’s| is| was)\s+|a[:.]\s+|[-*>•]\s+"
    r"|(?:die |la |el )?(?:antwort|respuesta|réponse|risposta|ответ|答案|答|الإجابة|الجواب)\s*(?:(?:ist|lautet|es|est)\b|是|为|هي|هو|[—–-])?"
    r"\s*[:：]?\s*(?=\S))"
)
CLOSING = re.compile(rf"(?i:\s+(?:is|was) the (?:correct |final )?answer|,? (?:according to|as stated in) {TEXT}|\s+\((?:from|in|see) {TEXT}\))$")
MARKS = "\"'“”‘’«»„‚「」『』《》*_`"
REMARK = re.compile(r"\n\s*\n|\n(?=\W*(?i:question|text|context|passage|answer|explanation|reason|because|note|source|quote|[qa]:))")
HEADING = re.compile(r"\W*(?i:question|text|context|passage|q:)")
DOUBT = re.compile(r"\W*(?i:or|no|not|wait|actually|but|however|sorry|correction|alternatively|hmm|maybe|perhaps)\b")
GIVEN = "(?:mentioned|given|stated|specified|said|answered|answerable|found|provided|present|available)"
NOTHING_SAID = re.compile(
    rf"(?:there is |there's |the answer is )?no (?:answer|span|passage|mention)(?: (?:is |was )?{GIVEN})?(?: in {TEXT})?"
    rf"|(?:(?:the answer|the question|this question|it) is )?(?:unanswerable|none|n/?a|not {GIVEN}(?: (?:in|by) {TEXT})?|not in {TEXT})"
    rf"|(?:the|this) question (?:cannot|can't|can not) be answered(?: (?:from|by|with) {TEXT})?"
    rf"|{TEXT} (?:does not|doesn't) (?:say|mention|answer|state|specify)(?: (?:it|this|that|the question))?"
)
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
MARKED = "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0963\u0966-\u0dff"
WORD = re.compile(rf"[{UNSPACED}]|\d+(?:[.,]\d+)+|(?:(?![{UNSPACED}])[\w{MARKED}])+")
"""A word; one character of a script that is written without spaces; a number with its points and commas."""
STOPS = " .。!！,;"
STRAIGHT = str.maketrans(dict.fromkeys("‘’‚‛′", "'") | dict.fromkeys("“”„‟″«»", '"') | dict.fromkeys("‐‑‒–—−", "-"))


def words(text: str) -> list[tuple[int, int]]:
    """(start, end) of each word of a text."""
    return [m.span() for m in WORD.finditer(text)]


def quote(text: str, context: str) -> dict[str, Any] | None:
    """The first place where the context has the text, as {"text", "start"}; None where it has not.

    As it stands comes first, then apart from case, white space, Unicode's compatibility forms and the kind of quotation marks and dashes.
    A quotation cuts no word, unless it stands nowhere else, letter by letter, has several words and cuts one at one of its ends only, as the
    answers of translated texts do where a space is missing.
    """
    whole, inside = _exact(text, context)
    return whole or _quote_folded(text, context) or inside


def _exact(text: str, context: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The first places where the text stands letter by letter: one that cuts no word, and one that cuts a word at one end."""
    text, inside = text.strip(), None
    if len(text) > len(context) or not any(map(str.isalnum, text)):
        return None, None
    for start in (m.start() for m in re.finditer(f"(?={re.escape(text)})", context)):
        cuts = _cut(context, start), _cut(context, start + len(text))
        if not any(cuts):
            return {"text": text, "start": start}, None
        if inside is None and not all(cuts) and len(words(text)) > 1:
            inside = {"text": text, "start": start}
    return None, inside


def _quote_folded(text: str, context: str) -> dict[str, Any] | None:
    if len(text.strip()) < 2 or len(text) > LONGEST_READ or not any(map(str.isalnum, text)):
        return None
    (needle, _), (plain, origin) = _folded(text), _folded(context)
    for m in re.finditer(f"(?={re.escape(needle)})", plain):
        first, end = m.start(), m.start() + len(needle)
        start, last = origin[first], origin[end - 1]
        whole = (first == 0 or origin[first - 1] < start) and (end == len(plain) or origin[end] > last)
        if whole and not _cut(context, start) and not _cut(context, last + 1):
            return {"text": context[start : last + 1], "start": start}
    return None


@lru_cache(256)
def _folded(text: str) -> tuple[str, list[int]]:
    """The text in the form in which quotations are compared, and for each of its characters the place that it came from."""
    parts = [(i, part) for i, character in enumerate(text.translate(STRAIGHT)) for part in _compatible(character)]
    kept = [(i, part) for n, (i, part) in enumerate(parts) if part != " " or (n and parts[n - 1][1] != " ")]
    while kept and kept[-1][1] == " ":
        kept.pop()
    return "".join(part for _, part in kept), [i for i, _ in kept]


def _compatible(character: str) -> str:
    """Decomposed and without case (Unicode 3.13, definition D146, but for the order of accents); any white space as one space."""
    return " " if character.isspace() else unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())


def _cut(text: str, at: int) -> bool:
    """Whether a word, a number, or a letter and its accents run across the place `at`; digits beside letters and "smallCapital" are no cut."""
    if not 0 < at < len(text):
        return False
    if unicodedata.category(text[at]) in ("Mn", "Me"):
        return True
    if text[at - 1].islower() and text[at].isupper():
        return False
    if text[at - 1].isdigit() != text[at].isdigit() and not set(text[at - 1 : at + 1]) & set(".,"):
        return False
    return any(m.start() < at < m.end() for m in WORD.finditer(text, max(at - 40, 0), at + 40))


def _readings(text: str) -> Iterator[str]:
    """The text, then what is left of it as a full stop, an opening, and marks around it are taken away, one after the other."""
    text = text.strip()
    for _ in range(10):
        yield text
        bare = text.rstrip(STOPS)
        if bare == text:
            if m := OPENING.match(text):
                bare = text[m.end() :]
            elif m := CLOSING.search(text):
                bare = text[: m.start()]
            elif len(text) > 2 and ((text[0] in MARKS and text[-1] in MARKS) or text[0] + text[-1] in ("()", "[]", "<>")):
                bare = text[1:-1]
        bare = bare.strip().rstrip(STOPS)
        if bare == text or len(text) > LONGEST_READ:
            return
        text = bare


def _first(text: str, context: str) -> dict[str, Any] | None:
    """The first of a text's readings that the context has: letter by letter, else as `quote` has it."""
    readings = list(_readings(text))
    found = next(filter(None, (_exact(reading, context)[0] for reading in readings)), None)
    return found or next(filter(None, (quote(reading, context) for reading in readings)), None)


# Gold answers: cells of files read as passages.


def _context(columns: Sequence[str]) -> str:
    """The column that answers are cut from: by its name, else the last."""
    return next((name for known in CONTEXTS for name in columns if name.lower() == known), columns[-1])


def _starts(table: Table, target: str) -> Sequence[Any] | None:
    stems = f"{target}_start", f"{target.removesuffix('s')}_start"
    return next((cells for name, cells in table.columns.items() if name.removesuffix("s") in stems), None)


def _plain(cell: Any) -> Any:
    """A cell as lists and mappings, where it is an array of a data frame or the JSON form that CSV files hold."""
    if isinstance(cell, str) and cell.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    if isinstance(cell, Mapping):
        return {key: _plain(value) for key, value in cell.items()}
    return cell.tolist() if hasattr(cell, "tolist") else cell


def _is_slots(cell: Any) -> bool:
    slots = cell if isinstance(cell, list) else [None]
    return all(isinstance(slot, Mapping) and "slot" in slot and type(slot.get("start")) is type(slot.get("end")) is int for slot in slots)


def _is_gold(cell: Any) -> bool:
    if isinstance(cell, list):
        spans = all(isinstance(part, Mapping) and isinstance(part.get("text"), str) and "slot" not in part for part in cell)
        return spans or all(isinstance(part, str) for part in cell)
    return isinstance(cell, str) or (isinstance(cell, Mapping) and isinstance(cell.get("text"), (list, str)))


def _spans(cell: Any, starts: Any) -> Iterator[tuple[str, int | None]]:
    """(text, start) of each answer in a gold cell; None where no start is given."""
    if isinstance(cell, Mapping):
        cell, starts = cell["text"], cell.get("answer_start", cell.get("start"))
    texts = [cell] if isinstance(cell, str) else cell
    places = starts if isinstance(starts, list) else [starts] * len(texts)
    for text, start in zip(texts, places, strict=True):
        if isinstance(text, Mapping):
            yield from _spans(text, None)
        elif text.strip():
            yield text, None if blank(start) else int(start)


def _read(cell: Any, where: str, starts: Any) -> list[tuple[str, int | None]]:
    """The answers of a gold cell. Raises `DataError` that names `where` if it holds none in a known form."""
    cell = _plain(cell)
    if not _is_gold(cell):
        came = "a list of other things" if isinstance(cell, list) else f"a {type(cell).__name__}"
        if _is_slots(cell):
            came = "slots, of which each is a question; name neither --inputs nor --target"
        forms = 'a list of texts, [] for none, or {"text": […], "answer_start": […]}'
        raise DataError(f"{where} holds {came} where answers are expected; give {forms}.")
    try:
        return list(_spans(cell, starts))
    except (ValueError, TypeError, AttributeError):
        raise DataError(f"{where} has answers whose starts do not go with their texts; give one whole number for each.") from None


def _placed(text: str, start: int | None, context: str, where: str) -> dict[str, Any]:
    """An answer with its place in the context: where it is said to start, else the nearest place that holds it, or the first."""
    stripped = text.strip()
    if start is not None:
        start += len(text) - len(text.lstrip())
        places = [m.start() for m in re.finditer(f"(?={re.escape(stripped)})", context)]
        if places:
            return {"text": stripped, "start": min(places, key=lambda place: abs(place - start))}
    elif first := next(filter(None, _exact(stripped, context)), None):
        return first
    raise DataError(f"{where} has the answer {stripped[:60]!r}, which does not stand in its text; copy it from the text, letter by letter.")


def _quoted(cells: Sequence[Any], texts: Sequence[Any]) -> float:
    """The share of rows whose gold answers stand in their texts; 0 where a cell holds no gold answers, or none does."""
    rows = [(_plain(cell), str(text)) for cell, text in zip(cells, texts, strict=False) if not blank(cell)]
    if not all(_is_gold(cell) for cell, _ in rows):
        return 0.0
    held = [([text for text, _ in _spans(cell, None)], context) for cell, context in rows]
    return float(np.mean([all(quote(text, context) for text in texts) for texts, context in held])) if any(texts for texts, _ in held) else 0.0


def _stands(span: Mapping[str, Any], context: str) -> bool:
    return span["start"] >= 0 and context[span["start"] :].startswith(span["text"])


def _asked(table: Table) -> Table:
    """Rows (question, context, answers): one for each filled slot of a text, and one for a slot that its text does not fill.

    The unfilled one is drawn by a hash of the text, so that it is the same in every process. A row's line is "12.date".
    """
    rows: list[tuple[str, str, str, list[dict[str, Any]] | None]] = []
    cells = [_plain(cell) for cell in table.columns[SLOTS]]
    known = sorted({str(slot["slot"]) for cell in cells if _is_slots(cell) for slot in cell})
    for i, (cell, text) in enumerate(zip(cells, table.columns["text"], strict=True)):
        context, where = text_of(text, table, i, "text"), table.where(i, SLOTS)
        if not blank(cell) and not _is_slots(cell):
            raise DataError(f'{where} holds no list of slots; give {{"slot": …, "start": …, "end": …}} for each, and [] for none.')
        filled: dict[str, list[dict[str, Any]]] = {}
        for slot in [] if blank(cell) else cell:
            value = slot.get("value") if isinstance(slot.get("value"), str) else context[slot["start"] : slot["end"]]
            filled.setdefault(str(slot["slot"]), []).append(_placed(value, slot["start"], context, where))
        empty = [name for name in known if name not in filled]
        if empty:
            filled[empty[int(fingerprint(context), 16) % len(empty)]] = []
        rows += [(f"{table.lines[i]}.{name}", name, context, None if blank(cell) else answers) for name, answers in filled.items()]
    if not rows:
        raise DataError(f"No row of {table.name} has a slot in column {SLOTS!r}, so there is nothing to extract; give rows with slots.")
    lines, names, contexts, answers = (list(column) for column in zip(*rows, strict=True))
    columns = {"question": [re.sub(r"[_\s]+", " ", name) for name in names], "context": contexts, "answers": answers}
    return replace(table, columns=columns, lines=lines)  # type: ignore[arg-type]
