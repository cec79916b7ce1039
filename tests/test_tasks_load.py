"""Files, folders, data sets and frames as tables; and every bad one refused in one sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from bad_inputs import BAD_INPUTS, GOOD, READ_LEVEL, as_call

from fieldguide.errors import DataError, UserError
from fieldguide.tasks.build import read_task
from fieldguide.tasks.load import load
from fieldguide.tasks.task import Role


def one_sentence(message: str) -> bool:
    """A capital first, a full stop last, and no other sentence, line or traceback between."""
    return bool(re.fullmatch(r"[A-Z'\"].*[.]", message)) and not re.search(r"[.?!] +[A-Z]", message)


@pytest.mark.parametrize("case", READ_LEVEL, ids=lambda case: case.id)
def test_bad_input_is_refused_in_one_sentence(case, tmp_path):
    data, options = as_call(case.make(tmp_path))
    with pytest.raises(UserError) as caught:
        read_task(data, **options)
    assert case.word.casefold() in str(caught.value).casefold()
    assert one_sentence(str(caught.value)), str(caught.value)


def test_there_are_forty_bad_inputs_with_names_of_their_own():
    assert len(READ_LEVEL) >= 40
    assert len({case.id for case in BAD_INPUTS}) == len(BAD_INPUTS)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def only(data) -> dict[str, list]:
    return {name: list(cells) for name, cells in load(data).tables["train"].columns.items()}


def test_csv_cells_stay_as_written(tmp_path):
    path = write(tmp_path, "a.csv", 'text,label\n"two\nlines, quoted ""so""",NA\nnull,0\n,None\n')
    table = load(path).tables["train"]
    assert dict(table.columns) == {"text": ['two\nlines, quoted "so"', "null", ""], "label": ["NA", "0", "None"]}
    assert [table.id(i) for i in range(3)] == ["a.csv:2", "a.csv:4", "a.csv:5"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_by_mark(tmp_path, encoding):
    path = write(tmp_path, "a.csv", "text,label\nnaïve 猫,x\n".encode(encoding))
    assert only(path) == {"text": ["naïve 猫"], "label": ["x"]}
    assert not load(path).notes


def test_windows_1252_is_said(tmp_path):
    path = write(tmp_path, "a.csv", "text,label\nok,y\ncafé “so”,x\n".encode("cp1252"))
    assert only(path)["text"] == ["ok", "café “so”"]
    assert "line 3" in load(path).notes[0]
    assert "Windows-1252" in load(path).notes[0]


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"])
def test_line_endings(tmp_path, ending):
    path = write(tmp_path, "a.csv", ending.join(["text,label", "one,x", "", "two,y"]))
    table = load(path).tables["train"]
    assert dict(table.columns) == {"text": ["one", "two"], "label": ["x", "y"]}
    assert list(table.lines) == [2, 4]


def test_semicolons_are_noticed(tmp_path):
    path = write(tmp_path, "a.csv", "text;label\nah, so;x\n")
    assert only(path) == {"text": ["ah, so"], "label": ["x"]}
    assert "semicolons" in load(path).notes[0]


def test_tsv_with_quotes_as_characters(tmp_path):
    path = write(tmp_path, "a.tsv", 'text\tlabel\n"open at the start\tx\nclosed later"\ty\n5" disk\tx\n')
    assert only(path)["text"] == ['"open at the start', 'closed later"', '5" disk']
    assert "plain characters" in load(path).notes[0]


def test_tsv_with_quoted_cells(tmp_path):
    path = write(tmp_path, "a.tsv", 'text\tlabel\n"a\ttab"\tx\n')
    assert only(path) == {"text": ["a\ttab"], "label": ["x"]}


def test_json_keeps_types_and_fills_gaps(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"text": "a\u2028b", "label": 0}\n\n{"label": true, "more": [1]}\n')
    table = load(path).tables["train"]
    assert dict(table.columns) == {"text": ["a\u2028b", None], "label": [0, True], "more": [None, [1]]}
    assert [table.id(i) for i in range(2)] == ["a.jsonl:1", "a.jsonl:3"]


def test_json_list_and_lines_named_json(tmp_path):
    assert only(write(tmp_path, "a.json", json.dumps(GOOD[:2], indent=1)))["text"] == [row["text"] for row in GOOD[:2]]
    assert only(write(tmp_path, "b.json", "\n".join(map(json.dumps, GOOD[:2]))))["text"] == [row["text"] for row in GOOD[:2]]


def test_parquet_and_frame_agree(tmp_path):
    frame = pd.DataFrame({"text": ["a", None, "c"], "label": [0, 1, None]})
    frame.to_parquet(tmp_path / "a.parquet")
    assert only(tmp_path / "a.parquet") == only(frame) == {"text": ["a", None, "c"], "label": [0, 1, None]}
    assert load(frame).tables["train"].id(0) == "row:0"
    assert load(tmp_path / "a.parquet").tables["train"].id(0) == "a.parquet:1"


def test_folder_with_three_splits_and_strangers(tmp_path):
    write(tmp_path, "train.csv", "text,label\na,x\n")
    write(tmp_path, "dev.tsv", "text\tlabel\nb\tx\n")
    write(tmp_path, "test.jsonl", '{"text": "c", "label": "x"}\n')
    write(tmp_path, "meta.json", "{}")
    write(tmp_path, "ood.jsonl", "{}")
    loaded = load(str(tmp_path))
    assert {split: table.name for split, table in loaded.tables.items()} == {"train": "train.csv", "val": "dev.tsv", "test": "test.jsonl"}
    assert loaded.notes == ("Of the folder's data files, ood.jsonl was not read.",)


def test_frame_faults():
    with pytest.raises(DataError, match="more than one column called 'a'"):
        load(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(DataError, match="no rows"):
        load(pd.DataFrame({"text": []}))
    with pytest.raises(DataError, match="a int came"):
        load(7)


def test_hub_loader_on_a_local_folder(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "animals"
    folder.mkdir()
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["cat", "dog"])})
    for split, labels in (("train", [0, 1] * 10), ("test", [1, -1] * 5)):
        rows = {"text": [f"{split} says {i} and more of it" for i in range(len(labels))], "label": labels}
        datasets.Dataset.from_dict(rows, features=features).to_parquet(folder / f"{split}.parquet")
    loaded = load(f"hf:{folder}")
    assert loaded.name == "animals"
    assert loaded.tables["train"].columns["label"][:2] == ["cat", "dog"]
    assert loaded.tables["test"].columns["label"][:2] == ["dog", None]
    assert loaded.tables["test"].id(0) == "test:1"


def test_hub_failure_is_one_sentence(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def offline(*args, **kwargs):
        raise ConnectionError("Couldn't reach 'x/y' on the Hub. Try again.\nMore.")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(DataError) as caught:
        load("hf:x/y")
    assert one_sentence(str(caught.value)), str(caught.value)


def test_odd_rows_are_dropped_aloud(tmp_path):
    odd = [{"text": "  ", "label": "good"}, {"text": "no label", "label": None}, {"label": "bad"}, {"text": "half \ud800 a letter", "label": "bad"}]
    rows = [*GOOD, *odd]
    path = write(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    task = read_task(path)
    assert sum(len(task[role]) for role in Role) == len(GOOD) + 1
    said = " ".join(task.notes)
    assert "2 rows of a.jsonl were dropped, having no text in column 'text' (the first at line 41)." in said
    assert "Line 42 of a.jsonl was dropped, having no label in column 'label'." in said
    assert [row.inputs["text"].encode() for _, row in task if row.id == "a.jsonl:44"]


def test_labels_that_look_like_nothing_stay(tmp_path):
    labels = ["0", "NA", "null", "None"]
    path = write(tmp_path, "a.csv", "text,label\n" + "".join(f"word{i} {i * 7} thing,{labels[i % 4]}\n" for i in range(80)))
    task = read_task(path)
    assert task.spec.labels == ("0", "NA", "None", "null")
    assert sum(len(task[role]) for role in Role) == 80


def test_numeric_labels_agree_across_formats(tmp_path):
    frame = pd.DataFrame({"text": [f"{i * 7919 % 1009} boats pass bridge {i * 104729 % 1013} {chr(97 + i % 26) * 4} {i * 31337 % 997}" for i in range(40)], "label": [i % 2 for i in range(40)]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    for data in (tmp_path / "a.csv", tmp_path / "a.parquet", tmp_path / "a.jsonl", frame, frame.astype({"label": float})):
        assert read_task(data).spec.labels == ("0", "1")


def test_descriptions_must_name_labels(tmp_path):
    path = write(tmp_path, "a.json", json.dumps(GOOD))
    assert read_task(path, descriptions={"good": "fine"}).spec.descriptions == {"good": "fine"}
    with pytest.raises(DataError, match="'better'"):
        read_task(path, descriptions={"better": "finer"})
    with pytest.raises(DataError, match="must map"):
        read_task(path, descriptions=["good"])


def test_an_unlabelled_test_file_is_left_out(tmp_path):
    write(tmp_path, "train.jsonl", "".join(json.dumps(row) + "\n" for row in GOOD))
    write(tmp_path, "test.jsonl", '{"text": "hidden", "label": null}\n')
    task = read_task(tmp_path)
    assert "No row of test.jsonl has a label, so it was not used." in task.notes
    assert len(task[Role.CERTIFY]) == 20


def test_new_rows_read_as_training_rows_do(tmp_path):
    from fieldguide.tasks.inputs import read_inputs

    (tmp_path / "a.jsonl").write_text('{"text": NaN}\n{"text": 3}\n{"text": "x"}\n')
    assert [row["text"] for row in read_inputs(str(tmp_path / "a.jsonl"), ["text"])] == ["", "3", "x"]


def test_labels_written_in_two_ways_are_refused(tmp_path):
    rows = [f"{i * 7919 % 1009} boats pass bridge {i * 104729 % 1013} {chr(97 + i % 26) * 4},{{}}" for i in range(200)]
    (tmp_path / "train.csv").write_text("text,label\n" + "\n".join(row.format(i % 2) for i, row in enumerate(rows[:100])))
    (tmp_path / "test.csv").write_text("text,label\n" + "\n".join(row.format(f"{i % 2}.0") for i, row in enumerate(rows[100:])))
    with pytest.raises(DataError, match="write them alike"):
        read_task(tmp_path, target="label")


def test_rows_that_all_repeat_one_another_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n" + "\n".join(f"the very same text in every row here,{i % 2}" for i in range(40)))
    with pytest.raises(DataError, match="repeat one another"):
        read_task(tmp_path / "a.csv", target="label", inputs="text")
