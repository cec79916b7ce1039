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
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.errors import Incomplete
from fieldguide.models import meter
from fieldguide.records import Usage, plain

if TYPE_CHECKING:
    from fieldguide.models.model import ModelFacts

SCHEMA = 1
"""Raised when a change of ours makes earlier answers wrong; part of every key."""
CHUNK = 500
"""Keys of one query; SQLite allows some thousand."""


class AnswerStore:
    """Key → (answer as bytes, its usage). One process writes at a time; any number of its threads may read and write."""

    def __init__(self, path: str | Path = ":memory:") -> None:
        self._turn = threading.Lock()
        self._file = self._opened(str(path))

    def _opened(self, path: str) -> sqlite3.Connection:
        try:
            return _connect(path)
        except sqlite3.DatabaseError:  # damaged: what it held can be asked again
            for end in ("", "-wal", "-shm"):
                with suppress(OSError):
                    Path(path + end).unlink()
            return _connect(path)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, tuple[bytes, Usage]]:
        """What is known of these keys."""
        wanted, found = list(dict.fromkeys(keys)), {}
        with self._turn:
            for start in range(0, len(wanted), CHUNK):
                part = wanted[start : start + CHUNK]
                rows = self._file.execute(f"SELECT key, answer, usage FROM answers WHERE key IN ({','.join('?' * len(part))})", part)
                found.update({key: (answer, Usage(**json.loads(usage))) for key, answer, usage in rows})
        return found

    def put(self, answers: Mapping[bytes, tuple[bytes, Usage]]) -> None:
        """Keep these answers; one that is there already stays as it is."""
        rows = [(key, answer, json.dumps(plain(usage))) for key, (answer, usage) in answers.items()]
        with self._turn, self._file:
            self._file.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        self._file.close()


def _connect(path: str) -> sqlite3.Connection:
    file = sqlite3.connect(path, check_same_thread=False)
    try:
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("PRAGMA synchronous=NORMAL")
        file.execute("CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, answer BLOB NOT NULL, usage TEXT NOT NULL) WITHOUT ROWID")
        file.execute("SELECT count(*) FROM (SELECT key FROM answers LIMIT 1)").fetchone()
        file.commit()
    except sqlite3.DatabaseError:
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

    A question counts as `each` calls, remembered or not; a remembered answer's tokens count as cached.
    """
    if not questions:
        return []
    with meter.call(len(questions) * each) as call:
        store = open_store() if meter.may_use_cache() else None
        if store is None:
            found, usage = ask(list(range(len(questions))))
            call.done(usage)
            return list(found)
        encode, decode = code
        keys = [answer_key(facts, ability, question) for question in questions]
        known = store.get(keys)
        places = {key: i for i, key in reversed(list(enumerate(keys))) if key not in known}  # the first place of each new question
        new: dict[bytes, tuple[bytes, Usage]] = {}
        if places:
            try:
                fresh, usage = ask(list(places.values()))
            except Incomplete as part:
                names = list(places)
                shares = call.settled.split(len(part.answers) or 1)
                store.put({names[i]: (encode(answer), share) for (i, answer), share in zip(part.answers.items(), shares, strict=False)})
                raise
            new = {key: (encode(answer), share) for key, answer, share in zip(places, fresh, usage.split(len(places)), strict=True)}
            store.put(new)
        else:
            usage = Usage()
        both = {**new, **known}
        call.done(usage + _recalled([both[key][1] for i, key in enumerate(keys) if places.get(key) != i]))
        return [decode(both[key][0]) for key in keys]


def _recalled(earlier: Sequence[Usage]) -> Usage:
    """The usage of remembered answers: what they took when they were asked, their prompts all cached."""
    tokens = sum(u.prompt_tokens for u in earlier)
    written, dollars = sum(u.completion_tokens for u in earlier), math.fsum(u.cost_usd for u in earlier)
    return Usage(prompt_tokens=tokens, completion_tokens=written, cached_tokens=tokens, cost_usd=dollars)
