"""Answers kept for a study, so that no model is asked the same twice: one SQLite file, keyed by everything that decides an answer.

The key of an answer is a hash of the model's identity and numerics, what was asked for (score, generate, choose, embed), every
parameter, and the text itself. Two models can therefore never share an entry; texts are not stored, only what was answered.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fieldguide.errors import BudgetSpent, Incomplete, ModelError, RunError
from fieldguide.models import meter
from fieldguide.records import Usage, plain

if TYPE_CHECKING:
    from fieldguide.models.model import ModelFacts

SCHEMA = 1
"""Raised when a change of ours makes earlier answers wrong; part of every key."""
CHUNK = 500
"""Keys of one query; SQLite allows some thousand."""
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
"""What SQLite says of a file that is broken, is no database, or has other tables than ours."""

Done = TypeVar("Done")


class AnswerStore:
    """Key → (answer as bytes, what it took). One process writes at a time; any number of its threads may read and write.

    A damaged file is moved aside (`.damaged`) and begun afresh: what it held can be asked again. Raises `RunError` where the file
    cannot be opened, read or written for another reason.
    """

    def __init__(self, path: str | Path = ":memory:") -> None:
        self._path, self._turn = str(path), threading.Lock()
        try:
            self._file = _connect(self._path)
        except sqlite3.Error as error:
            self._file = self._afresh(error)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, tuple[bytes, Usage]]:
        """What is known of these keys."""
        wanted = list(dict.fromkeys(keys))

        def read(file: sqlite3.Connection) -> dict[bytes, tuple[bytes, Usage]]:
            found = {}
            for start in range(0, len(wanted), CHUNK):
                part = wanted[start : start + CHUNK]
                rows = file.execute(f"SELECT key, answer, usage FROM answers WHERE key IN ({','.join('?' * len(part))})", part)
                found.update({key: (answer, Usage(**json.loads(usage))) for key, answer, usage in rows})
            return found

        return self._do(read)

    def put(self, answers: Mapping[bytes, tuple[bytes, Usage]]) -> None:
        """Keep these answers, all of them or none; one that is there already stays as it is."""
        rows = [(key, answer, json.dumps(plain(usage))) for key, (answer, usage) in answers.items()]

        def write(file: sqlite3.Connection) -> None:
            with file:
                file.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", rows)

        self._do(write)

    def __len__(self) -> int:
        """How many answers it keeps."""
        return self._do(lambda file: int(file.execute("SELECT count(*) FROM answers").fetchone()[0]))

    def close(self) -> None:
        with self._turn:
            self._file.close()

    def _do(self, act: Callable[[sqlite3.Connection], Done]) -> Done:
        with self._turn:
            try:
                return act(self._file)
            except sqlite3.Error as error:
                self._file = self._afresh(error)
                return act(self._file)

    def _afresh(self, error: sqlite3.Error) -> sqlite3.Connection:
        """A new file in the place of a damaged one."""
        code = getattr(error, "sqlite_errorcode", None)
        if code is None or code & 0xFF not in DAMAGE:
            raise RunError(f"The file of remembered answers {self._path} cannot be used ({error}); free the disk, or end what else uses it.") from error
        if hasattr(self, "_file"):
            self._file.close()
        Path(self._path).replace(self._path + ".damaged")
        for end in ("-wal", "-shm"):
            Path(self._path + end).unlink(missing_ok=True)
        return _connect(self._path)


def _connect(path: str) -> sqlite3.Connection:
    file = sqlite3.connect(path, check_same_thread=False)
    try:
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("PRAGMA synchronous=NORMAL")
        file.execute("CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, answer BLOB NOT NULL, usage TEXT NOT NULL) WITHOUT ROWID")
        file.execute("SELECT key, answer, usage FROM answers LIMIT 1").fetchone()
        file.commit()
    except sqlite3.Error:
        file.close()
        raise
    return file


def answer_key(facts: ModelFacts, ability: str, question: Any) -> bytes:
    """16 bytes that change with anything that could change the answer. `question` is the text and every parameter, as plain values."""
    text = json.dumps([SCHEMA, facts.identity, facts.numerics, ability, plain(question)], ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


_store: ContextVar[AnswerStore | None] = ContextVar("fieldguide_answers", default=None)


@contextmanager
def remembering(store: AnswerStore) -> Iterator[AnswerStore]:
    """Inside this block models answer from the store what they answered before, and add to it what they answer."""
    token = _store.set(store)
    try:
        yield store
    finally:
        _store.reset(token)


def open_store() -> AnswerStore | None:
    """The store that is open around this call."""
    return _store.get()


Ask = Callable[[list[int]], tuple[Any, Usage]]
"""Places of the questions to answer → their answers, and the usage."""
Code = tuple[Callable[[Any], bytes], Callable[[bytes], Any]]
"""An answer → bytes, and back."""
PLAIN: Code = (
    lambda answer: json.dumps(plain(answer), ensure_ascii=False).encode("utf-8", "surrogatepass"),
    lambda data: json.loads(data.decode("utf-8", "surrogatepass")),
)
VECTORS: Code = (lambda vector: np.asarray(vector, dtype="<f4").tobytes(), lambda data: np.frombuffer(data, dtype="<f4"))


def answered(facts: ModelFacts, ability: str, questions: Sequence[Any], ask: Ask, *, each: int = 1, code: Code = PLAIN) -> list[Any]:
    """One answer a question, in order: from the store that is open, as far as it knows them, and from `ask` for the rest. Metered.

    A question counts as `each` calls, remembered or not; a remembered answer's tokens count as cached. Where a store is open, a
    question that comes twice in a call is asked once. If `ask` raises `Incomplete` or `BudgetSpent`, what it did answer is kept.
    """
    if not questions:
        return []
    with meter.call(len(questions) * each) as call:
        store = open_store() if meter.may_use_cache() else None
        if store is None:
            found, usage = _asked(facts, ask, list(range(len(questions))))
            call.done(usage)
            return found
        encode, decode = code
        keys = [answer_key(facts, ability, question) for question in questions]
        known = store.get(keys)
        places = sorted({key: i for i, key in reversed(list(enumerate(keys))) if key not in known}.values())  # the first of each new question
        new: dict[bytes, tuple[bytes, Usage]] = {}

        def keep(answers: Mapping[int, Any], usage: Usage) -> None:
            said = {i: encode(answer) for i, answer in answers.items()}
            shares = _shares(facts, usage, [_size(questions[i]) for i in said], [len(data) for data in said.values()])
            new.update({keys[i]: (data, share) for (i, data), share in zip(said.items(), shares, strict=True)})
            store.put(new)

        usage = Usage()
        if places:
            try:
                fresh, usage = _asked(facts, ask, places)
            except (Incomplete, BudgetSpent) as part:
                answers = {places[i]: answer for i, answer in part.answers.items()}
                keep(answers, call.settled)
                raise type(part)(str(part), {**{i: decode(known[key][0]) for i, key in enumerate(keys) if key in known}, **answers}) from part
            keep(dict(zip(places, fresh, strict=True)), usage)
        both, asked = {**new, **known}, set(places)
        call.done(usage + _recalled([both[key][1] for i, key in enumerate(keys) if i not in asked]))
        return [decode(both[key][0]) for key in keys]


def _asked(facts: ModelFacts, ask: Ask, places: list[int]) -> tuple[list[Any], Usage]:
    answers, usage = ask(places)
    if len(answers) != len(places):
        raise ModelError(f"The model {facts.reference!r} gave {len(answers)} answers to {len(places)} questions; its backend must give one each.")
    return list(answers), usage


def _size(question: Any) -> int:
    """Characters of a question's text and parameters."""
    return len(json.dumps(plain(question), ensure_ascii=False))


def _shares(facts: ModelFacts, usage: Usage, asked: Sequence[int], said: Sequence[int]) -> list[Usage]:
    """What each answer of a call took, estimated: tokens read by the lengths of the questions, tokens written by those of the answers.

    Dollars follow the tokens, at the model's prices. The sums are the call's (dollars to rounding).
    """
    read, written = _deal(usage.prompt_tokens, asked), _deal(usage.completion_tokens, said)
    paid = [r * facts.usd_per_million_prompt + w * facts.usd_per_million_completion for r, w in zip(read, written, strict=True)]
    weights = paid if sum(paid) else asked
    dollars = [usage.cost_usd * weight / sum(weights) for weight in weights]
    return [Usage(prompt_tokens=r, completion_tokens=w, cost_usd=d) for r, w, d in zip(read, written, dollars, strict=True)]


def _deal(total: int, weights: Sequence[int]) -> list[int]:
    """Whole parts in proportion to the weights (positive), which sum to the total."""
    edges = [round(total * up_to / sum(weights)) for up_to in accumulate(weights, initial=0)] if weights else []
    return [after - before for before, after in pairwise(edges)]


def _recalled(earlier: Sequence[Usage]) -> Usage:
    """The usage of remembered answers: what they took when they were asked, their prompts all cached."""
    tokens = sum(u.prompt_tokens for u in earlier)
    written, dollars = sum(u.completion_tokens for u in earlier), math.fsum(u.cost_usd for u in earlier)
    return Usage(prompt_tokens=tokens, completion_tokens=written, cached_tokens=tokens, cost_usd=dollars)
