"""How often the right passage is found: every question of squad_xquad_en over all paragraphs pooled, by words, by meaning and by both.

    python benchmarks/retrieval.py    # a minute; rewrites docs/results/retrieval.md

The rows are read in place from ../shared/data/tasks or the folder that FIELDGUIDE_DATA names.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import numpy as np
from sets import DATA, ROOT

from fieldguide.approaches.prompting.passages import WAYS, Passages, read_passages
from fieldguide.models.pool import ModelPool
from fieldguide.stats.intervals import over_rows_and_seeds

FILE = DATA / "squad_xquad_en" / "test.jsonl"
PAGE = ROOT / "docs" / "results" / "retrieval.md"
DEPTHS = (1, 2, 5, 10)
ABOUT = """# Retrieval: is the right passage found?

Made by `python benchmarks/retrieval.py`: {questions:,} questions of squad_xquad_en, each looked up among the {passages:,} passages that its {paragraphs:,} paragraphs make
(longer ones are cut at 180 words), as `prompt-retrieved` looks them up. A passage is right that is of the question's own paragraph and holds one of its answers. In
brackets 95 % intervals over paragraphs. Nothing is fitted, so every question counts. Seconds of one thread for all questions, embeddings included.
"""


def main() -> None:
    rows: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    texts = read_passages(str(FILE))
    plain = [" ".join(text.split()) for text in texts]
    paragraphs = [" ".join(row["context"].split()) for row in rows]
    right = [{i for i, text in enumerate(plain) if text in own and any(answer in text for answer in row["answers"])} for row, own in zip(rows, paragraphs, strict=True)]
    able = [i for i, own in enumerate(right) if own]
    clusters = np.unique([paragraphs[i] for i in able], return_inverse=True)[1]
    parts = [ABOUT.format(questions=len(able), passages=len(texts), paragraphs=len(set(paragraphs)))]
    if len(able) < len(rows):
        parts.append(f"{len(rows) - len(able)} questions are left out, since a cut or white space parts their answer.\n")
    with suppress(FileNotFoundError):
        parts.append(PAGE.with_name("retrieval-notes.md").read_text(encoding="utf-8"))
    parts += [f"| by | {' | '.join(f'recall@{depth}' for depth in DEPTHS)} | MRR@10 | s |", "|---" * (len(DEPTHS) + 3) + "|"]
    encoder = ModelPool().get("minilm-l6")
    for by in WAYS:
        began = time.perf_counter()
        passages = Passages(texts, by, None if by == "bm25" else encoder.embed(texts))
        found = passages.search([rows[i]["question"] for i in able], max(DEPTHS), encoder)
        first = np.array([next((k for k, place in enumerate(own) if place in right[i]), 10**6) for i, own in zip(able, found, strict=True)])
        cells = [told(first < depth, clusters) for depth in DEPTHS] + [told(np.where(first < 10**6, 1 / (first + 1), 0.0), clusters)]
        parts.append(f"| {by} | {' | '.join(cells)} | {time.perf_counter() - began:.0f} |")
    PAGE.write_text("\n".join(parts) + "\n", encoding="utf-8")
    print("\n".join(parts[-len(WAYS) :]))


def told(scores: np.ndarray, clusters: np.ndarray) -> str:
    column = scores.astype(float)[:, None]
    low, high = over_rows_and_seeds(column, clusters=clusters)
    return f"{column.mean():.3f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
