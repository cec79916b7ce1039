"""Which option a text means: read leniently, never guessed at."""

from __future__ import annotations

import pytest

from fieldguide.models.options import option_meant, span_of


@pytest.mark.parametrize(
    ("text", "options", "place"),
    [
        ("yes", ["Yes", "yes"], 1),
        ("YES", ["Yes", "yes"], None),
        ("Yes.", ["Yes", "No"], 0),
        ("It is 1.", ["1", "2"], 0),
        ("It is 1.5", ["1", "2"], None),
        ("-1", ["1", "2"], None),
        ("答案是东京。", ["东京", "大阪"], 0),
        ("good", ["good", "very good"], 0),
        ("That is very good", ["good", "very good"], 1),
        ("good, very good", ["good", "very good"], None),
        ("not good, but good enough", ["good", "bad"], None),
        ('{"answer": "B", "why": "A is wrong"}', ["A", "B"], None),
        ('{"answer": {"label": "B"}}', ["A", "B"], 1),
        ("?", ["?", "!"], 0),
        ("", ["a", "b"], None),
        ("both", ["a", "a"], None),
        ("a", ["a", "a"], 0),
        ("[" * 100_000, ["a", "b"], None),
    ],
)
def test_which_option(text: str, options: list[str], place: int | None) -> None:
    assert option_meant(text, options) == place


def test_where_an_option_stands() -> None:
    assert span_of('{"answer": "answer"}', "answer", last=True) == (12, 18)
    assert span_of("Red, not red", "red") == (9, 12), "as it is written goes first"
    assert span_of('{"answer": "\\u6771"}', "東", last=True) == (12, 18)
    assert span_of("blue", "red") is None
