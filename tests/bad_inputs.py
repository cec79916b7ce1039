"""Bad inputs, each with a word that its one-sentence error must contain.

A case writes its files into a folder and returns the arguments that follow `fieldguide decide`. Cases whose arguments only name data,
columns, kind or metric (`READ_LEVEL`) are refused by `read_task` already, the others (`OPTION_LEVEL`) by the command.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

GOOD = [{"text": f"{word} number {i} in a row", "label": "good" if i % 2 else "bad"} for i, word in enumerate(["ice", "sun", "tea", "oak"] * 10)]


class BadInput(NamedTuple):
    id: str
    make: Callable[[Path], list[str]]
    word: str


def good(folder: Path) -> str:
    path = folder / "good.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in GOOD))
    return str(path)


def file(name: str, content: str | bytes, *options: str) -> Callable[[Path], list[str]]:
    """One file with this content, given as DATA."""

    def make(folder: Path) -> list[str]:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return [str(path), *options]

    return make


def csv(rows: list[str], *options: str, header: str = "text,label") -> Callable[[Path], list[str]]:
    return file("rows.csv", "\n".join([header, *rows]) + "\n", *options)


def table(*options: str, **columns: list[object]) -> Callable[[Path], list[str]]:
    """A JSON Lines file of these columns."""
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    return file("rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows), *options)


def option(*options: str) -> Callable[[Path], list[str]]:
    """A sound file with these options."""
    return lambda folder: [good(folder), *options]


def folder(files: dict[str, str], *options: str) -> Callable[[Path], list[str]]:
    def make(where: Path) -> list[str]:
        for name, content in files.items():
            (where / name).write_text(content)
        return [str(where), *options]

    return make


def missing(name: str) -> Callable[[Path], list[str]]:
    return lambda folder: [str(folder / name)]


def described(content: str | None) -> Callable[[Path], list[str]]:
    """A sound file with label descriptions that are not."""

    def make(folder: Path) -> list[str]:
        path = folder / "labels.json"
        if content is not None:
            path.write_text(content)
        return [good(folder), "--labels", str(path)]

    return make


TEXTS: list[object] = [row["text"] for row in GOOD]
LABELS: list[object] = [row["label"] for row in GOOD]
ROWS = [f"{row['text']},{row['label']}" for row in GOOD]
JSONL = "".join(json.dumps(row) + "\n" for row in GOOD)

READ_LEVEL = [
    # files and folders
    BadInput("no such file", missing("nowhere.csv"), "nowhere.csv"),
    BadInput("misspelt file", lambda folder: [good(folder).replace("good", "godo")], "good.jsonl"),
    BadInput("empty file", file("rows.csv", ""), "empty"),
    BadInput("white space only", file("rows.jsonl", "\n \n\n"), "empty"),
    BadInput("header only", csv([]), "no rows"),
    BadInput("wrong extension", file("rows.xlsx", b"PK\x03\x04rest"), ".xlsx"),
    BadInput("no extension", file("rows", "text,label\na,b\n"), "extension"),
    BadInput("binary csv", file("rows.csv", b"text,label\n\x00\x01\x02,a\n"), "binary"),
    BadInput("zip named csv", file("rows.csv", b"PK\x03\x04abc"), "binary"),
    BadInput("bytes of no encoding", file("rows.csv", b"text,label\n\x81\x8d\xff,a\n"), "UTF-8"),
    BadInput("cut UTF-16", file("rows.csv", "text,label\na,b\n".encode("utf-16") + b"x"), "UTF-16"),
    BadInput("broken parquet", file("rows.parquet", b"PAR1 and then nothing"), "Parquet"),
    BadInput("csv named parquet", file("rows.parquet", "text,label\na,b\n"), "Parquet"),
    BadInput("empty folder", lambda where: [str(where)], "train"),
    BadInput("folder without train", folder({"test.jsonl": JSONL}), "train"),
    BadInput("two train files", folder({"train.jsonl": JSONL, "train.csv": "text,label\na,b\n"}), "two train files"),
    BadInput("test file lacks the target", folder({"train.jsonl": JSONL, "test.jsonl": '{"text": "one"}\n'}), "test.jsonl"),
    BadInput("hub name left out", lambda where: ["hf:"], "hf:"),
    # lines
    BadInput("ragged row", csv([*ROWS, "one, two, three"]), "Line 42"),
    BadInput("short row", csv(["alone", *ROWS]), "Line 2"),
    BadInput("quote never closed", csv([*ROWS, '"an open quote,good']), "Line 42"),
    BadInput("text after a quote", csv(['"said" he,good', *ROWS]), "line 2"),
    BadInput("ragged tsv", file("rows.tsv", "text\tlabel\na\tb\tc\n"), "Line 2"),
    BadInput("broken json line", file("rows.jsonl", JSONL + '{"text": "cut\n'), "Line 41"),
    BadInput("json line is a list", file("rows.jsonl", '["a", "b"]\n'), "Line 1"),
    BadInput("json line is a number", file("rows.ndjson", JSONL + "7\n"), "Line 41"),
    BadInput("json deep as a well", file("rows.jsonl", "[" * 100_000 + "\n"), "Line 1"),
    BadInput("json object for a list", file("rows.json", '{"rows": []}'), "list of objects"),
    BadInput("json list of strings", file("rows.json", '["a", "b"]'), "Record 1"),
    BadInput("json list is empty", file("rows.json", "[]"), "no rows"),
    # columns
    BadInput("column twice", csv([f"{row},x" for row in ROWS], header="text,label,label"), "more than one column"),
    BadInput("target missing", option("--target", "labl"), "labl"),
    BadInput("target in other case", option("--target", "Label"), "'label'"),
    BadInput("input missing", option("--inputs", "body"), "body"),
    BadInput("inputs name the target", option("--target", "label", "--inputs", "text,label"), "target"),
    BadInput("input named twice", option("--inputs", "text,text"), "twice"),
    BadInput("inputs empty", option("--inputs", " , "), "input"),
    BadInput("two columns may be the target", table(text=TEXTS, label=LABELS, category=LABELS), "--target"),
    BadInput("no column may be the target", table(text=TEXTS, note=TEXTS), "--target"),
    BadInput("no column names", csv(ROWS[1:], header="ice is nice,good"), "column names"),
    BadInput("no text column", table(age=[str(i) for i in range(40)], label=LABELS), "--inputs"),
    BadInput("one column", table(label=LABELS), "--inputs"),
    BadInput("nested input", table("--inputs", "text", text=[["a", "b"], *TEXTS[1:]], label=LABELS), "Line 1"),
    # labels and rows
    BadInput("one class", table(text=TEXTS, label=["same"] * 40), "two labels"),
    BadInput("no labels at all", table(text=TEXTS, label=[None] * 40), "label"),
    BadInput("blank labels", csv([f"{row['text']}, " for row in GOOD]), "label"),
    BadInput("no text at all", table("--inputs", "text", text=["  "] * 40, label=LABELS), "no row"),
    BadInput("fractions as labels", table("--kind", "classification", text=TEXTS, label=[i / 7 for i in range(40)]), "numbers"),
    BadInput("a label a row", table(text=TEXTS, label=[f"label {i}" for i in range(40)]), "distinct"),
    BadInput("six hundred labels", table(text=[f"text {i} here" for i in range(1800)], label=[f"l{i % 600}" for i in range(1800)]), "600"),
    BadInput("several labels a row as one", table("--kind", "classification", text=TEXTS, label=[["a", "b"]] * 40), "list"),
    BadInput("too few rows", table(text=TEXTS[:6], label=LABELS[:6]), "at least 10"),
    BadInput("train repeats test", folder({"train.jsonl": JSONL, "test.jsonl": JSONL}), "repeats a test row"),
    BadInput("pair with one input", option("--kind", "pair-classification"), "2 texts"),
    # options that read_task judges
    BadInput("kind unknown", option("--kind", "clasification"), "kind"),
    BadInput("metric unknown", option("--metric", "vibes"), "metric"),
]

OPTION_LEVEL = [
    BadInput("descriptions missing", described(None), "labels.json"),
    BadInput("descriptions broken", described('{"good": '), "labels.json"),
    BadInput("descriptions are a list", described('["good"]'), "label"),
    BadInput("description of no label", described('{"excellent": "very good"}'), "excellent"),
    BadInput("tolerance negative", option("--tolerance", "-1"), "tolerance"),
    BadInput("tolerance past 100", option("--tolerance", "101"), "tolerance"),
    BadInput("tolerance is a word", option("--tolerance", "some"), "tolerance"),
    BadInput("budget is a word", option("--budget", "soon"), "budget"),
    BadInput("budget of nothing", option("--budget", "0m"), "budget"),
    BadInput("budget negative", option("--budget=-5calls"), "budget"),
    BadInput("model scheme unknown", option("--models", "nonsense:x"), "nonsense"),
    BadInput("approach unknown", option("--approaches", "magic"), "magic"),
    BadInput("latency is a word", option("--max-latency-p95", "abc"), "latency"),
    BadInput("cost negative", option("--max-cost-per-1k", "-2"), "cost"),
    BadInput("machine price negative", option("--machine-price", "-1"), "machine-price"),
    BadInput("no prompt rows", option("--prompt-rows", "0"), "prompt-rows"),
    BadInput("no seeds", option("--seeds", "0"), "seeds"),
    BadInput("continue a missing run", lambda where: ["--continue", "no-such-run"], "no-such-run"),
]

BAD_INPUTS = [*READ_LEVEL, *OPTION_LEVEL]


def as_call(argv: list[str]) -> tuple[str, dict[str, str]]:
    """The arguments of a read-level case as a call of `read_task`."""
    data, *rest = argv
    return data, {name.removeprefix("--"): value for name, value in zip(rest[::2], rest[1::2], strict=True)}
