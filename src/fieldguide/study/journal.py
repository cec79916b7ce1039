"""The journal: what a study has answered so far, in SQLite, safe against `kill -9`.

Each batch of answers is one transaction, so that a process that dies loses at most the batch in flight. Entries are keyed by
`Trial.key`, which holds everything that decides an answer.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fieldguide.errors import RunError
from fieldguide.records import Prediction, Usage, plain
from fieldguide.study.trial import TrialRecord

TABLES = """
CREATE TABLE IF NOT EXISTS trials  (key TEXT PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (trial TEXT NOT NULL, row TEXT NOT NULL, prediction TEXT NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (trial, row));
"""


class Journal:
    """One study's journal. One writer at a time; a second one waits up to ten seconds, then raises `RunError`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._db = sqlite3.connect(path, timeout=10.0, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(TABLES)
        except sqlite3.Error as error:
            raise RunError(f"The journal {path} cannot be used ({error}); move it away to start afresh, or end the other process that uses it.") from error

    def add_answers(self, trial: str, answers: Mapping[str, Prediction], seconds: float) -> None:
        """Record a batch of answers (row id → prediction) that took `seconds` together; all of it or nothing."""
        share = seconds / max(len(answers), 1)
        rows = [(trial, row, json.dumps(p.to_json(), ensure_ascii=False), share) for row, p in answers.items()]
        with self._writing():
            self._db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", rows)

    def answers(self, trial: str) -> dict[str, Prediction]:
        """What a trial has answered so far, by row id."""
        found = self._db.execute("SELECT row, prediction FROM answers WHERE trial = ?", (trial,))
        return {row: Prediction.from_json(json.loads(text)) for row, text in found}

    def answered(self, trial: str) -> set[str]:
        """The ids of the rows that a trial has answered so far."""
        return {row for (row,) in self._db.execute("SELECT row FROM answers WHERE trial = ?", (trial,))}

    def answer_seconds(self, trial: str) -> float:
        """Wall-clock seconds that a trial's recorded answers took."""
        return self._db.execute("SELECT COALESCE(SUM(seconds), 0) FROM answers WHERE trial = ?", (trial,)).fetchone()[0]

    def finish(self, record: TrialRecord) -> None:
        """Record a trial as over, done or failed."""
        with self._writing():
            self._db.execute("INSERT OR REPLACE INTO trials VALUES (?, ?)", (record.key, json.dumps(plain(record), ensure_ascii=False)))

    def record(self, trial: str) -> TrialRecord | None:
        """The record of a trial that is over, else None."""
        found = self._db.execute("SELECT record FROM trials WHERE key = ?", (trial,)).fetchone()
        return _record(json.loads(found[0])) if found else None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction: all of it or nothing. Raises `RunError` if the file cannot be written."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise RunError(f"The journal {self.path} cannot be written ({error}); free the disk or end what holds the file, then run the same command again.") from error

    def close(self) -> None:
        self._db.close()


def _record(data: dict) -> TrialRecord:
    usages = {name: Usage(**data[name]) for name in ("fit_usage", "predict_usage", "latency_usage") if name in data}
    tuples = {name: tuple(data[name]) for name in ("models", "latencies_s")}
    return TrialRecord(**{**data, **usages, **tuples})
