"""The demo set keeps the promises of its data card: columns, counts, distinct messages, nothing that points at a person."""

import csv
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "support"
COLUMNS = ["id", "text", "intent", "region", "domain"]
INTENTS = {
    "order_status",
    "return_item",
    "refund_missing",
    "cancel_order",
    "change_address",
    "payment_failed",
    "account_access",
    "product_question",
}
REGIONS = {"north", "south", "east", "west", "overseas"}
PHONE = re.compile(r"\d(?:[\s()./-]*\d){6,}")  # seven digits or more, however they are spaced
WEB = re.compile(r"@|https?:|www\.", re.IGNORECASE)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with open(FOLDER / "messages.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def test_columns_and_no_empty_field(rows):
    assert all(list(row) == COLUMNS for row in rows)
    assert all(value.strip() == value and value for row in rows for value in row.values())
    assert all("\n" not in row["text"] for row in rows)


def test_pandas_reads_it(rows):
    import pandas as pd

    frame = pd.read_csv(FOLDER / "messages.csv")
    assert frame.shape == (len(rows), len(COLUMNS))
    assert not frame.isna().any().any()


def test_counts(rows):
    assert 580 <= len(rows) <= 640
    assert [row["id"] for row in rows] == [f"m{number:04d}" for number in range(1, len(rows) + 1)]
    intents = Counter(row["intent"] for row in rows)
    assert set(intents) == INTENTS
    assert all(60 <= count <= 85 for count in intents.values())
    assert {row["region"] for row in rows} == REGIONS
    domains = Counter(row["domain"] for row in rows)
    assert set(domains) == {"shop", "travel"}
    assert 45 <= domains["travel"] <= 60
    assert {row["intent"] for row in rows if row["domain"] == "travel"} == INTENTS


def test_order_is_shuffled(rows):
    first = Counter(row["intent"] for row in rows[:100])
    assert set(first) == INTENTS
    assert max(first.values()) < 30


def test_no_near_duplicates(rows):
    texts = [row["text"] for row in rows]
    assert len({" ".join(text.lower().split()) for text in texts}) == len(texts)
    bags = [words(text) for text in texts]
    close = [(a, b) for a, b in combinations(range(len(bags)), 2) if len(bags[a] & bags[b]) > 0.45 * len(bags[a] | bags[b])]
    assert [(texts[a], texts[b]) for a, b in close] == []


def test_nothing_that_points_at_a_person(rows):
    assert [row["text"] for row in rows if WEB.search(row["text"]) or PHONE.search(row["text"])] == []


def test_card_states_the_counts(rows):
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"holds {len(rows)} short" in card
    travel = Counter(row["intent"] for row in rows if row["domain"] == "travel")
    for intent, count in Counter(row["intent"] for row in rows).items():
        assert f"| `{intent}` | {count} | {travel[intent]} |" in card
    for column in ("region", "domain"):
        for value, count in Counter(row[column] for row in rows).items():
            assert f"{value} {count}" in card
