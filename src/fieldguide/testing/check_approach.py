"""The contract suite of approaches: everything that the study takes for granted, as one named function each.

    check_approach(MyApproach(model="fake:"))

Every form of answer that the approach says it gives is tried, on a toy task each; what counts as an answer is the kind's to say
(`Kind.fault`). An approach that cannot keep a promise says so in `contract_exceptions`: the name of the check, or form and name
("span: beats_majority"), and the reason.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from fieldguide.approaches.approach import Approach, FitContext, Solver
from fieldguide.approaches.baselines.majority import Majority
from fieldguide.errors import ApproachError, NotFitted
from fieldguide.models.meter import metering
from fieldguide.models.pool import ModelPool
from fieldguide.records import Prediction, Usage, plain
from fieldguide.registry import names, resolve
from fieldguide.tasks.kinds.forms import FORMS
from fieldguide.tasks.metrics import metric
from fieldguide.tasks.task import Role, Task, TaskSpec
from fieldguide.testing.bench import SEED, Bench, Poison, alike, poisoned, reachable, refuses, same_answers, same_usage, seam, sound, strange
from fieldguide.testing.toy_forms import TOYS, toy_form_task
from fieldguide.testing.toys import larger_toy_task, toy_task

RISKY = {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin", ".npy", ".npz", ".dill", ".py"}
"""File endings that can run code when read, or might."""


def check_approach(
    approach: Approach, *, task: Task | None = None, models: ModelPool | None = None, exceptions: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Run every check; returns name → "passed" or the reason why it was skipped. The first that fails raises `AssertionError`.

    `task` replaces the toy tasks, one for each form of answer (`toy_tasks`); where there are several, the outcome's names start with the form, as in
    "span: order". `exceptions` adds to the approach's own, for a model that cannot do better. Models are loaded from `models`, and by
    reference in the process that loads a solver.
    """
    excepted = {**approach.contract_exceptions, **(exceptions or {})}
    unknown = {name for name in excepted if name.rpartition(": ")[2] not in CHECKS or name.rpartition(": ")[0] not in ("", *FORMS)}
    assert not unknown, f"{approach.name} excepts checks that do not exist: {', '.join(sorted(unknown))}; the checks are {', '.join(CHECKS)}."
    tasks = (task,) if task is not None else toy_tasks(approach)
    assert tasks, f"{approach.name} suits none of the toy tasks; give one of your own with task=."
    outcome: dict[str, str] = {}
    for one in tasks:
        form = one.spec.reader.answer
        found = _checked(approach, one, models or ModelPool(), {name: excepted.get(f"{form}: {name}") or excepted.get(name) for name in CHECKS})
        outcome |= {f"{form}: {name}" if len(tasks) > 1 else name: how for name, how in found.items()}
    return outcome


def toy_tasks(approach: Approach) -> tuple[Task, ...]:
    """The smallest toy task of each form of answer that the approach gives: of several kinds of one form the first that suits it."""
    found: dict[str, Task] = {}
    for kind in names("kind"):
        form = resolve("kind", kind).answer
        if form in approach.answers and form not in found and kind in TOYS:
            task = toy_task() if kind == "classification" else toy_form_task(kind, train=12, test=5)
            if not approach.unsuited(task.spec):
                found[form] = task
    return tuple(found.values())


def _checked(approach: Approach, task: Task, models: ModelPool, excepted: Mapping[str, str | None]) -> dict[str, str]:
    """Every check on one task, those aside that are excepted."""
    outcome: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(approach, poisoned(task), models, Path(folder))
        for name, check in CHECKS.items():
            if reason := excepted[name]:
                outcome[name] = f"excepted: {reason}"
                continue
            try:
                outcome[name] = check(bench) or "passed"
            except AssertionError as broken:
                form = task.spec.reader.answer
                of = "" if form == "label" else f" for {form} answers"
                raise AssertionError(f"{approach.name} fails the check {name!r}{of}: {broken}") from broken
    return outcome


def check_parameters(bench: Bench) -> None:
    """Parameters are plain, survive JSON, and make equal keys; an unknown one is refused by name."""
    approach = bench.approach
    back = Approach.from_json(json.loads(json.dumps(approach.to_json())))
    assert back == approach, f"{back!r} came back from JSON instead of {approach!r}."
    assert (back.key, hash(back)) == (approach.key, hash(approach)), "equal approaches have different keys or hashes."
    strange = {"name": approach.name, "params": {"no_such_parameter": 1}}
    refuses("an unknown parameter", lambda: Approach.from_json(strange), ApproachError, "no_such_parameter")


def check_label_counts(bench: Bench) -> None:
    """Label counts come from the ladder, or are (0,); an approach that wants none fits on none."""
    ladder = (8, 16, 64, 256)
    counts = bench.approach.label_counts(ladder)
    assert counts == (0,) or (counts and set(counts) <= set(ladder)), f"label_counts gave {counts} for the ladder {ladder}."
    if counts == (0,):
        same_answers("without any labelled row, which label_counts says are not used", bench.fit(()).predict(bench.inputs), bench.answers)


def check_predict_before_fit(bench: Bench) -> None:
    """A solver that was never fitted raises `NotFitted`."""
    raw = object.__new__(bench.approach.solver_class())
    refuses("predict before fit", lambda: raw.predict(bench.inputs), NotFitted, "")


def check_poisoned_targets(bench: Bench) -> None:
    """`_fit` is given the spec, the training rows and a context, none of which leads to another role's target."""
    (given,) = bench.first[3]
    assert [type(value) for value in given] == [TaskSpec, tuple, FitContext], f"_fit was given {[type(value).__name__ for value in given]}."
    assert [row.id for row in given[1]] == [row.id for row in bench.train], "_fit was not given exactly the training rows."
    for value in (*given, bench.solver.__dict__):
        assert not any(type(part) is Poison for part in reachable(value)), "a target outside the training rows can be reached."
    assert bench.answers


def check_strange_label(bench: Bench) -> str | None:
    """A training label outside the label space is refused."""
    if not bench.spec.labels:
        return "skipped: there is no closed label space"
    odd = strange(bench.spec, bench.train[0])
    refuses("a training label outside the label space", lambda: bench.fit([odd]), ApproachError, "no such label")
    return None


def check_one_label(bench: Bench) -> None:
    """Training rows with all one answer, and a single row, are enough to fit and answer."""
    same = [row for row in bench.train if row.target == bench.train[0].target]
    for rows in (same if bench.spec.reader.answer == "label" else alike(bench.spec, bench.train), list(bench.train[:1])):
        sound(bench.spec, bench.inputs[:2], bench.fit(rows).predict(bench.inputs[:2]))


def check_order(bench: Bench) -> None:
    """One prediction an input, in the order of the inputs; none for none."""
    assert bench.solver.predict([]) == [], "an empty list of inputs did not give an empty list."
    assert len(bench.answers) == len(bench.inputs), f"{len(bench.inputs)} inputs gave {len(bench.answers)} predictions."
    same_answers("reversed inputs", bench.solver.predict(bench.inputs[::-1])[::-1], bench.answers)


def check_label_space(bench: Bench) -> None:
    """Answers are what the kind takes for one, as plain values, or `Unparsed`; probabilities are plain floats over the labels or options."""
    sound(bench.spec, bench.inputs, bench.answers)


def check_odd_inputs(bench: Bench) -> None:
    """Empty, blank, repeated, broken and overlong texts are answered like any other; equal inputs get equal answers."""
    odd = bench.odd_inputs
    found = bench.solver.predict(odd)
    sound(bench.spec, odd, found)
    for i, one in enumerate(odd):
        same_answers(f"equal inputs {odd.index(one) + 1} and {i + 1}", [found[i]], [found[odd.index(one)]])


def check_batch_split(bench: Bench) -> None:
    """Answers do not depend on what else is in the batch."""
    inputs = [*bench.inputs, *bench.odd_inputs[:5]]
    whole = bench.solver.predict(inputs)
    same_answers("one at a time", [bench.solver.predict([one])[0] for one in inputs], whole)
    same_answers("in threes", [p for i in range(0, len(inputs), 3) for p in bench.solver.predict(inputs[i : i + 3])], whole)


def check_refit(bench: Bench) -> None:
    """A fit on other rows in between leaves no trace."""
    before = bench.answers
    assert bench.again is not bench.solver, "fit returned the same solver twice."
    same_answers("fitted again", bench.again.predict(bench.inputs), before)
    same_answers("the first solver after other fits", bench.solver.predict(bench.inputs), before)


def check_seed(bench: Bench) -> None:
    """The seed decides everything, and the caller's random numbers are left alone."""
    import numpy as np

    random.seed(5)
    np.random.seed(5)
    expected = random.Random(5).random(), np.random.RandomState(5).random_sample()
    same_answers("the same seed", bench.fit(bench.train).predict(bench.inputs), bench.answers)
    assert (random.random(), np.random.random_sample()) == expected, "fit or predict changed the caller's random state."
    if not bench.approach.repeats():
        same_answers("another seed (repeats() is False)", bench.fit(bench.train, SEED + 2).predict(bench.inputs), bench.answers)


def check_metering(bench: Bench) -> None:
    """Calls are counted whatever the approach does, add up over predictions, and stay within what `calls` promised."""
    solver, outside, counted, _ = bench.first
    same_usage("fit", solver.fit_usage, outside)
    assert counted <= outside.calls, f"{counted} texts passed the models' seam in fit, {outside.calls} were recorded."
    with metering() as meter, seam() as passed:
        found = solver.predict(bench.inputs)
    same_usage("predict", sum((p.usage for p in found), Usage()), meter.usage)
    assert sum(passed) <= meter.usage.calls, f"{sum(passed)} texts passed the models' seam in predict, {meter.usage.calls} were recorded."
    assert not bench.approach.models() or meter.usage.calls or outside.calls, "it names a model, yet no call was recorded."
    promised, made = bench.approach.calls(len(bench.train), len(bench.inputs), bench.spec), outside.calls + meter.usage.calls
    assert made <= promised, f"{made} calls were made, and calls() promised at most {promised}."


def check_load(bench: Bench) -> None:
    """Saved and loaded in this process: equal answers. The folder may be moved, and holds nothing that runs code."""
    risky = [str(path.relative_to(bench.saved)) for path in bench.saved.rglob("*") if path.suffix.lower() in RISKY]
    assert not risky, f"the saved solver holds {', '.join(risky)}; save JSON and safetensors only."
    back = Solver.load(bench.saved, bench.models)
    same_answers("loaded", back.predict(bench.inputs), bench.answers)
    assert back.trainable_parameters == bench.solver.trainable_parameters, "trainable_parameters changed on the way through the disk."
    assert back.fit_usage == bench.solver.fit_usage, "fit_usage changed on the way through the disk."


def check_save(bench: Bench) -> None:
    """Loaded in a new process, which knows nothing of the fit: equal answers."""
    (bench.folder / "inputs.json").write_text(json.dumps(plain(bench.inputs)), encoding="utf-8")
    command = [sys.executable, "-c", LOADER, str(bench.saved), str(bench.folder / "inputs.json")]
    ran = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False)
    assert ran.returncode == 0, f"loading in a new process failed: {ran.stderr.strip()[-600:]}"
    found = json.loads(ran.stdout.splitlines()[-1])
    same_answers("loaded in a new process", [Prediction.from_json(p) for p in found], bench.answers)


def check_beats_majority(bench: Bench) -> str | None:
    """On separable rows it is better than the trivial baseline, by the kind's first metric."""
    form, kind = bench.spec.reader.answer, bench.spec.kind
    if form != "label" and kind not in TOYS:
        return f"skipped: there is no larger toy task of the kind {kind}"
    task = larger_toy_task() if form == "label" else toy_form_task(kind, train=64, test=40)
    judge, certify = metric(task.spec.metric), task[Role.CERTIFY]
    context = FitContext(seed=SEED, workdir=bench.folder, models=bench.models)
    quality = {}
    for approach in (bench.approach, Majority()):
        found = approach.fit(task.spec, task[Role.TRAIN], context=context).predict([row.inputs for row in certify])
        quality[approach.name] = judge.of([row.target for row in certify], [p.value for p in found])
    own, trivial = quality[bench.approach.name], quality["majority"]
    assert own > trivial, f"its {judge.title} on 40 rows is {own:.3f}, that of the trivial baseline {trivial:.3f}."
    return None


CHECKS: dict[str, Callable[[Bench], str | None]] = {
    name.removeprefix("check_"): value for name, value in list(globals().items()) if name.startswith("check_") and name != "check_approach"
}
"""Name → check, in the order in which they run. A check that does not apply returns "skipped: " and the reason."""

LOADER = """
import json, sys
from pathlib import Path
from fieldguide.approaches.approach import Solver
solver = Solver.load(sys.argv[1])
found = solver.predict(json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
print(json.dumps([p.to_json() for p in found]))
"""


__all__ = ["CHECKS", "check_approach", "toy_tasks"]
