"""A whole study with a model behind HTTP: labels held by a schema, dollars in the verdict, a budget in dollars, nothing asked twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from faulty_server import FaultyServer, Seen

from fieldguide.api import decide
from fieldguide.testing.toys import WORDS, toy_rows


class TopicServer(FaultyServer):
    """Answers with the topic whose words stand in the prompt's last block."""

    def _say(self, seen: Seen, k: int) -> str:
        asked = seen.prompt.rsplit("Text:", 1)[-1].split()
        topic = next((t for t, words in WORDS.items() if any(w.strip(",") in words for w in asked)), "weather")
        return json.dumps({"answer": topic})


@pytest.fixture(autouse=True)
def _prices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "prices.json").write_text(json.dumps({"toy": {"prompt": 3.0, "completion": 7.0, "date": "2026-11-01"}}))
    monkeypatch.setenv("FIELDGUIDE_PRICES", str(tmp_path / "prices.json"))


def study(server: FaultyServer, out: Path, **more: Any):
    frame = pd.DataFrame([{**row.inputs, "topic": row.target} for row in toy_rows(120)])
    return decide(frame, target="topic", out=out, models=(f"openai:toy@{server.url}",), approaches=("majority", "prompt-zero-shot"), seeds=1, **more)


def test_a_study_with_an_api_is_paid_once_and_its_dollars_stand_in_the_verdict(tmp_path: Path) -> None:
    with TopicServer({"broken": 0.05, "cut": 0.05}) as server:
        verdict = study(server, tmp_path / "run", budget="$5").verdict
        rows = {row.name: row for row in verdict.standings}
        assert rows["prompt-zero-shot"].quality.value == 1.0
        billed = sum(3.0 * s.billed[0] + 7.0 * s.billed[1] for s in server.asked) / 1e6
        assert verdict.spent.cost_usd >= billed > 0
        asked = len(server.asked)
        (tmp_path / "run" / "journal.sqlite").unlink()  # the study begins anew, the answers are still there
        again = study(server, tmp_path / "run", budget="$5").verdict
        new = [s for s in server.asked[asked:] if s.body]
        assert len(new) < 60, "only what was timed without remembered answers is asked again"
    assert {row.name: row.quality for row in again.standings} == {row.name: row.quality for row in verdict.standings}


def test_a_study_stops_before_the_dollar_that_it_was_not_given(tmp_path: Path) -> None:
    with TopicServer() as server:
        verdict = study(server, tmp_path / "run", budget="$0.002").verdict
        billed = sum(3.0 * s.billed[0] + 7.0 * s.billed[1] for s in server.asked if s.billed) / 1e6
    assert 0 < billed <= 0.002
    assert verdict.spent.cost_usd <= 0.002
