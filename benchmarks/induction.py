"""Measure prompt search on instruction induction: how much of the gap between no instruction and people's own instructions it closes.

    python benchmarks/induction.py                        # stopped at any moment, the same command goes on
    python benchmarks/induction.py --only antonyms,sum    # some of the sub-tasks
    python benchmarks/induction.py --table                # only rewrite docs/results/induction.md

The rows are read in place from ../shared/data/tasks or the folder that FIELDGUIDE_DATA names. What is kept are scores and instructions, never rows.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from sets import DATA, ROOT

from fieldguide.approaches.approach import FitContext, make
from fieldguide.approaches.prompting.asking import named_template
from fieldguide.approaches.prompting.prompt import PromptSolver
from fieldguide.approaches.prompting.search import SearchSolver
from fieldguide.models.answers import AnswerStore, remembering
from fieldguide.models.pool import ModelPool
from fieldguide.records import Row
from fieldguide.stats.intervals import percentile, resampled_means, row_weights
from fieldguide.tasks.kinds.exact_answer import ExactAnswer
from fieldguide.tasks.metrics import metric
from fieldguide.tasks.task import Role, Task, TaskSpec
from fieldguide.tasks.template import Template

FOLDER = DATA / "instruction_induction_a"
STORE, PAGE = ROOT / "benchmarks" / "induction", ROOT / "docs" / "results" / "induction.md"
MODEL = "smollm2-135m"
METRICS = {"first_word_letter": "exact_text", "informal_to_formal": "squad_f1"}
"""Where SQuAD's exact match will not do: it takes the letter "a" for an article, and a paraphrase is hardly ever the very one."""
SEARCHES: dict[str, dict[str, Any]] = {
    "halving, likelihood": {"judge_by": "likelihood"},
    "halving, answers": {"judge_by": "answers", "budget": 600},
    "policy, likelihood": {"judge_by": "likelihood", "search": "policy"},
}
TRAINING, CERTIFY = 60, 100
WIDE_GAP = 0.05


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def tasks(rows: int) -> dict[str, Task]:
    """Each sub-task as one of exact answers, in which any acceptable output counts; answers may be twice as long as those to train on, and a little."""
    train, test, reader = read("train"), read("test"), ExactAnswer()
    found = {}
    for name in dict.fromkeys(row["task"] for row in train):
        dealt = {Role.TRAIN: [r for r in train if r["task"] == name][:TRAINING], Role.CERTIFY: [r for r in test if r["task"] == name][:rows]}
        longest = max(len(row["output"].split()) for row in dealt[Role.TRAIN])
        spec = TaskSpec(
            name, reader.name, ("input",), "output", metric=METRICS.get(name, "exact_match"), settings={"max_tokens": 2 * longest + 14}
        )
        roles = {
            role: tuple(Row(f"{role}:{i}", {"input": r["input"]}, reader.read([r["output"], *r["acceptable"]], name)) for i, r in enumerate(own))
            for role, own in dealt.items()
        }
        found[name] = Task(spec, roles)
    return found


def cells(task: Task) -> list[str]:
    """What is measured on a sub-task, the cheapest first; people's instructions come by their place in the set."""
    people = [f"human {i}" for i, row in enumerate(r for r in read("instructions") if r["task"] == task.spec.name)]
    return ["none", "default", *people, *SEARCHES]


def measured(task: Task, cell: str, pool: ModelPool) -> dict[str, Any]:
    """A cell as it is kept: the instruction, the score of each certify row, and what the search took."""
    began, extra = time.process_time(), dict[str, Any]()
    if cell in SEARCHES:
        fitted = make("prompt-search", model=MODEL, **SEARCHES[cell]).fit(task.spec, task[Role.TRAIN], context=FitContext(models=pool))
        assert isinstance(fitted, SearchSolver)
        solver: PromptSolver = fitted
        choice = fitted.search_log[-1]
        extra = {"calls": choice["calls"], "held_out": choice["score"], "stock": choice["stock_score"], "origin": choice["origin"], "params": SEARCHES[cell]}
    else:
        plain = named_template(task.spec, "plain")
        human = [row["instruction"] for row in read("instructions") if row["task"] == task.spec.name]
        said = {"none": "", "default": plain.instruction}.get(cell) if cell in ("none", "default") else human[int(cell.split()[1])]
        solver = PromptSolver(MODEL, Template(cell, said or "", plain.row, plain.answer, plain.separator))
        solver._bind(make("prompt-zero-shot", model=MODEL), task.spec, pool)
    certify = task[Role.CERTIFY]
    answers = solver.predict([row.inputs for row in certify])
    per_row = metric(task.spec.metric).per_row
    assert per_row is not None
    scores = per_row([row.target for row in certify], [answer.value for answer in answers])
    return {
        "task": task.fingerprint, "cell": cell, "instruction": solver.template.instruction, "score": round(float(scores.mean()), 5),
        "scores": [round(float(score), 3) for score in scores], "processor_s": round(time.process_time() - began, 1), **extra,
    }  # fmt: skip


def kept(name: str, task: Task) -> dict[str, dict[str, Any]]:
    """Cell → what was measured of it on this very task."""
    file = STORE / f"{name}.jsonl"
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []
    return {line["cell"]: line for line in lines if line["task"] == task.fingerprint and line.get("params") == SEARCHES.get(line["cell"])}


def run(chosen: dict[str, Task], wanted: Sequence[str]) -> None:
    """Every missing cell of these sub-tasks. What several searches ask alike is asked once."""
    STORE.mkdir(exist_ok=True)
    pool = ModelPool()
    for name, task in chosen.items():
        done = kept(name, task)
        (STORE / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in done.values()), encoding="utf-8")
        with remembering(AnswerStore()):
            for cell in cells(task):
                if cell in done or (wanted and cell.split(" ")[0] not in wanted and cell not in wanted):
                    continue
                line = measured(task, cell, pool)
                with (STORE / f"{name}.jsonl").open("a", encoding="utf-8") as out:
                    out.write(json.dumps(line) + "\n")
                print(f"{name}, {cell}: {line['score']:.2f} {line['instruction']!r} ({line['processor_s']:.0f} s)", file=sys.stderr, flush=True)


ABOUT = f"""# Instructions found, against instructions written by people

Made by `OMP_NUM_THREADS=1 python benchmarks/induction.py`. The sub-tasks of instruction induction (Honovich et al. 2022, arXiv:2205.10782) with SmolLM2-135M-Instruct,
greedy, no demonstrations: up to {TRAINING} training rows for [prompt search](../approaches/prompt-search.md), of which a third is shown to the proposer and the others score, and up
to {CERTIFY} other rows to certify. Scores are SQuAD's exact match with any acceptable output; the very text for first_word_letter, token F1 for informal_to_formal. Human is the mean
over the set's own instructions, the gap that mean less the score without any instruction, and the share of it that a search closes (found − none) / gap. Seed 0; a
search's calls are those of its fit.
"""


def write_page(chosen: dict[str, Task]) -> None:
    found = {name: lines for name, task in chosen.items() if (lines := kept(name, task))}
    people = {name: [line for cell, line in lines.items() if cell.startswith("human")] for name, lines in found.items()}
    found = {name: lines for name, lines in found.items() if people[name] and "none" in lines}
    parts = [ABOUT]
    with suppress(FileNotFoundError):
        parts.append(PAGE.with_name("induction-notes.md").read_text(encoding="utf-8"))
    parts += [*table(found, people), "", *shares(found, people), "", "## What was found\n", *instructions(found, people)]
    PAGE.write_text("\n".join(parts) + "\n", encoding="utf-8")


def table(found: dict[str, dict[str, Any]], people: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    yield f"| sub-task | rows | none | default | human mean (best) | gap | {' | '.join(f'{cell}: score, share, calls' for cell in SEARCHES)} |"
    yield "|---" * (6 + len(SEARCHES)) + "|"
    for name, lines in found.items():
        none, human = lines["none"]["score"], [line["score"] for line in people[name]]
        gap = float(np.mean(human)) - none
        own = []
        for cell in SEARCHES:
            line = lines.get(cell)
            share = f"{(line['score'] - none) / gap:.0%}" if line and gap >= WIDE_GAP else "–"
            own.append(f"{line['score']:.2f}, {share}, {line['calls']:,}" if line else "–")
        default = f"{lines['default']['score']:.2f}" if "default" in lines else "–"
        rows = len(lines["none"]["scores"])
        yield f"| {name} | {rows} | {none:.2f} | {default} | {np.mean(human):.2f} ({max(human):.2f}) | {gap:.2f} | {' | '.join(own)} |"


def shares(found: dict[str, dict[str, Any]], people: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """For each search the mean share closed over the sub-tasks with a wide gap, with the percentile bootstrap over rows, these sub-tasks as they are.

    A share counts as 1 at most, so that one sub-task on which people's instructions hardly work does not carry the mean; the plain mean stands beside it.
    """
    for cell in SEARCHES:
        drawn, point = [], []
        for i, (name, lines) in enumerate(found.items()):
            if cell not in lines:
                continue
            human = np.mean([line["scores"] for line in people[name]], axis=0)
            columns = np.column_stack([lines["none"]["scores"], human, lines[cell]["scores"]])  # (rows, none and human and found)
            none, people_mean, own = columns.mean(axis=0)
            if people_mean - none < WIDE_GAP:
                continue
            means = resampled_means(row_weights(len(columns), seed=i), columns)
            point.append((own - none) / (people_mean - none))
            drawn.append(np.minimum((means[:, 2] - means[:, 0]) / np.maximum(means[:, 1] - means[:, 0], 1 / len(columns)), 1))
        if point:
            low, high = percentile(np.mean(drawn, axis=0))
            half = sum(share >= 0.5 for share in point)
            yield (
                f"- {cell}: where the gap is at least {WIDE_GAP:.0%} ({len(point)} sub-tasks), {np.minimum(point, 1).mean():.0%} of it is closed on average, each share at most "
                f"100% (95 % interval over rows {low:.0%} to {high:.0%}; {np.mean(point):.0%} where shares may pass it); at least half of it on {half} of them."
            )


def instructions(found: dict[str, dict[str, Any]], people: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    yield "| sub-task | best of people's | " + " | ".join(SEARCHES) + " |"
    yield "|---" * (2 + len(SEARCHES)) + "|"
    for name, lines in found.items():
        best = max(people[name], key=lambda line: line["score"])["instruction"]
        shown = [best, *(lines[cell]["instruction"] if cell in lines else "–" for cell in SEARCHES)]
        yield f"| {name} | " + " | ".join(text.replace("|", "\\|").replace("\n", " ") or "(none)" for text in shown) + " |"


def main() -> None:
    every = list(dict.fromkeys(row["task"] for row in read("train")))
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=",".join(every), help="sub-tasks to measure, separated by commas")
    parser.add_argument("--cells", default="", help='only these, separated by ";": none, default, human, or a search such as "halving, likelihood"')
    parser.add_argument("--rows", type=int, default=CERTIFY, help="certify rows of each sub-task, at most")
    parser.add_argument("--table", action="store_true", help="run nothing; rewrite the page")
    options = parser.parse_args()
    made = tasks(options.rows)
    if not options.table:
        run({name: made[name] for name in options.only.split(",")}, options.cells.split(";") if options.cells else ())
    write_page(made)


if __name__ == "__main__":
    main()
