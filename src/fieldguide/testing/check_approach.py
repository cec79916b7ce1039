"""The contract suite of approaches: everything that the study takes for granted, as one named function each.

    check_approach(MyApproach(model="fake:"))

An approach that cannot keep a promise says so in `contract_exceptions`: the name of the check and the reason.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from fieldguide.approaches.approach import Approach, FitContext
from fieldguide.approaches.baselines.majority import Majority
from fieldguide.errors import ApproachError, NotFitted
from fieldguide.models.meter import metering
from fieldguide.models.pool import ModelPool
from fieldguide.records import Prediction, Row, Usage, plain
from fieldguide.tasks.task import Role, Task, TaskSpec
from fieldguide.testing.bench import SEED, Bench, Poison, poisoned, reachable, seam
from fieldguide.testing.toys import larger_toy_task, toy_task

TOLERANCE = 1e-4
"""How far probabilities may differ between batches and processes: padding changes the order in which floats are added."""
RISKY = {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin", ".npy", ".npz", ".dill", ".py"}
"""File endings that can run code when read, or might."""


def check_approach(approach: Approach, *, task: Task | None = None, models: ModelPool | None = None) -> dict[str, str]:
    """Run every check; returns name → "passed" or the reason why it was skipped. The first that fails raises `AssertionError`.

    `task` replaces the toy task of 20 rows. Models are loaded from `models`, and by reference in the process that loads a solver.
    """
    outcome: dict[str, str] = {}
    unknown = set(approach.contract_exceptions) - set(CHECKS)
    assert not unknown, f"{approach.name} excepts checks that do not exist: {', '.join(sorted(unknown))}; the checks are {', '.join(CHECKS)}."
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(approach, poisoned(task or toy_task()), models or ModelPool(), Path(folder))
        for name, check in CHECKS.items():
            if reason := approach.contract_exceptions.get(name):
                outcome[name] = f"excepted: {reason}"
                continue
            try:
                check(bench)
            except AssertionError as broken:
                raise AssertionError(f"{approach.name} fails the check {name!r}: {broken}") from broken
            outcome[name] = "passed"
    return outcome


def check_parameters(bench: Bench) -> None:
    """Parameters are plain, survive JSON, and make equal keys; an unknown one is refused by name."""
    approach = bench.approach
    back = Approach.from_json(json.loads(json.dumps(approach.to_json())))
    assert back == approach, f"{back!r} came back from JSON instead of {approach!r}."
    assert (back.key, hash(back)) == (approach.key, hash(approach)), "equal approaches have different keys or hashes."
    strange = {"name": approach.name, "params": {"no_such_parameter": 1}}
    _refuses("an unknown parameter", lambda: Approach.from_json(strange), ApproachError, "no_such_parameter")


def check_label_counts(bench: Bench) -> None:
    """Label counts come from the ladder, or are (0,); an approach that wants none fits on none."""
    ladder = (8, 16, 64, 256)
    counts = bench.approach.label_counts(ladder)
    assert counts == (0,) or (counts and set(counts) <= set(ladder)), f"label_counts gave {counts} for the ladder {ladder}."
    if counts == (0,):
        _alike("without any labelled row, which label_counts says are not used", bench.fit(()).predict(bench.inputs), bench.answers)


def check_predict_before_fit(bench: Bench) -> None:
    """A solver that was never fitted raises `NotFitted`."""
    raw = object.__new__(bench.approach.solver_class())
    _refuses("predict before fit", lambda: raw.predict(bench.inputs), NotFitted, "")


def check_poisoned_targets(bench: Bench) -> None:
    """`_fit` is given the spec, the training rows and a context, none of which leads to another role's target."""
    (given,) = bench.first[3]
    assert [type(value) for value in given] == [TaskSpec, tuple, FitContext], f"_fit was given {[type(value).__name__ for value in given]}."
    assert [row.id for row in given[1]] == [row.id for row in bench.train], "_fit was not given exactly the training rows."
    for value in (*given, bench.solver.__dict__):
        assert not any(type(part) is Poison for part in reachable(value)), "a target outside the training rows can be reached."
    assert bench.answers


def check_strange_label(bench: Bench) -> None:
    """A training label outside the label space is refused."""
    strange = [Row("strange:1", bench.train[0].inputs, "no such label")]
    _refuses("a training label outside the label space", lambda: bench.fit(strange), ApproachError, "no such label")


def check_one_label(bench: Bench) -> None:
    """Training rows of a single label, and a single row, are enough to fit and answer."""
    label = bench.train[0].target
    for rows in ([row for row in bench.train if row.target == label], list(bench.train[:1])):
        _in_label_space(bench.spec, bench.fit(rows).predict(bench.inputs[:2]))


def check_order(bench: Bench) -> None:
    """One prediction an input, in the order of the inputs; none for none."""
    assert bench.solver.predict([]) == [], "an empty list of inputs did not give an empty list."
    assert len(bench.answers) == len(bench.inputs), f"{len(bench.inputs)} inputs gave {len(bench.answers)} predictions."
    _alike("reversed inputs", bench.solver.predict(bench.inputs[::-1])[::-1], bench.answers)


def check_label_space(bench: Bench) -> None:
    """Answers are labels or `Unparsed`; probabilities are plain floats over the label space that sum to 1."""
    _in_label_space(bench.spec, bench.answers)


def check_odd_inputs(bench: Bench) -> None:
    """Empty, blank, repeated, broken and overlong texts are answered like any other; equal inputs get equal answers."""
    odd = bench.odd_inputs()
    found = bench.solver.predict(odd)
    _in_label_space(bench.spec, found)
    for i, one in enumerate(odd):
        _alike(f"equal inputs {odd.index(one) + 1} and {i + 1}", [found[i]], [found[odd.index(one)]])


def check_batch_split(bench: Bench) -> None:
    """Answers do not depend on what else is in the batch."""
    inputs = [*bench.inputs, *bench.odd_inputs()[:5]]
    whole = bench.solver.predict(inputs)
    _alike("one at a time", [bench.solver.predict([one])[0] for one in inputs], whole)
    _alike("in threes", [p for i in range(0, len(inputs), 3) for p in bench.solver.predict(inputs[i : i + 3])], whole)


def check_refit(bench: Bench) -> None:
    """A fit on other rows in between leaves no trace."""
    before = bench.answers
    assert bench.again is not bench.solver, "fit returned the same solver twice."
    _alike("fitted again", bench.again.predict(bench.inputs), before)
    _alike("the first solver after other fits", bench.solver.predict(bench.inputs), before)


def check_seed(bench: Bench) -> None:
    """The seed decides everything, and the caller's random numbers are left alone."""
    import numpy as np

    random.seed(5)
    np.random.seed(5)
    expected = random.Random(5).random(), np.random.RandomState(5).random_sample()
    _alike("the same seed", bench.fit(bench.train).predict(bench.inputs), bench.answers)
    assert (random.random(), np.random.random_sample()) == expected, "fit or predict changed the caller's random state."
    if not bench.approach.repeats():
        _alike("another seed (repeats() is False)", bench.fit(bench.train, SEED + 2).predict(bench.inputs), bench.answers)


def check_metering(bench: Bench) -> None:
    """Calls are counted whatever the approach does, add up over predictions, and stay within what `calls` promised."""
    solver, outside, counted, _ = bench.first
    _same_usage("fit", solver.fit_usage, outside)
    assert counted <= outside.calls, f"{counted} texts passed the models' seam in fit, {outside.calls} were recorded."
    with metering() as meter, seam() as passed:
        found = solver.predict(bench.inputs)
    _same_usage("predict", sum((p.usage for p in found), Usage()), meter.usage)
    assert sum(passed) <= meter.usage.calls, f"{sum(passed)} texts passed the models' seam in predict, {meter.usage.calls} were recorded."
    assert not bench.approach.models() or meter.usage.calls or outside.calls, "it names a model, yet no call was recorded."
    promised, made = bench.approach.calls(len(bench.train), len(bench.inputs), bench.spec), outside.calls + meter.usage.calls
    assert made <= promised, f"{made} calls were made, and calls() promised at most {promised}."


def check_save(bench: Bench) -> None:
    """Save, load in a new process: equal answers. The folder may be moved, and holds nothing that runs code."""
    folder = bench.solver.save(bench.folder / "saved").rename(bench.folder / "moved")
    risky = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix.lower() in RISKY]
    assert not risky, f"the saved solver holds {', '.join(risky)}; save JSON and safetensors only."
    (bench.folder / "inputs.json").write_text(json.dumps(plain(bench.inputs)), encoding="utf-8")
    command = [sys.executable, "-c", LOADER, str(folder), str(bench.folder / "inputs.json")]
    ran = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False)
    assert ran.returncode == 0, f"loading in a new process failed: {ran.stderr.strip()[-600:]}"
    document = json.loads(ran.stdout.splitlines()[-1])
    _alike("loaded in a new process", [Prediction.from_json(p) for p in document["predictions"]], bench.answers)
    assert document["trainable_parameters"] == bench.solver.trainable_parameters, "trainable_parameters changed on the way through the disk."
    assert document["fit_usage"] == plain(bench.solver.fit_usage), "fit_usage changed on the way through the disk."


def check_beats_majority(bench: Bench) -> None:
    """On separable rows it is right more often than the most frequent label."""
    task = larger_toy_task()
    context = FitContext(seed=SEED, workdir=bench.folder, models=bench.models)
    right = {}
    for approach in (bench.approach, Majority()):
        found = approach.fit(task.spec, task[Role.TRAIN], context=context).predict([row.inputs for row in task[Role.CERTIFY]])
        right[approach.name] = sum(p.value == row.target for p, row in zip(found, task[Role.CERTIFY], strict=True))
    assert right[bench.approach.name] > right["majority"], f"it is right on {right[bench.approach.name]} of 40 rows, the majority label on {right['majority']}."


CHECKS: dict[str, Callable[[Bench], None]] = {
    name.removeprefix("check_"): value for name, value in list(globals().items()) if name.startswith("check_") and name != "check_approach"
}
"""Name → check, in the order in which they run."""

LOADER = """
import json, sys
from pathlib import Path
from fieldguide.approaches.approach import Solver
from fieldguide.records import plain
solver = Solver.load(sys.argv[1])
found = solver.predict(json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
print(json.dumps({"predictions": plain(found), "trainable_parameters": solver.trainable_parameters, "fit_usage": plain(solver.fit_usage)}))
"""


def _refuses(what: str, act: Callable[[], object], error: type[Exception], names: str) -> None:
    try:
        act()
    except error as refused:
        if names not in str(refused):
            raise AssertionError(f"the refusal of {what} does not name {names!r}.") from refused
    else:
        raise AssertionError(f"{what} did not raise {error.__name__}.")


def _in_label_space(spec: TaskSpec, found: Sequence[Prediction]) -> None:
    for p in found:
        assert not p.parsed or p.value in spec.labels, f"the answer {p.value!r} is neither a label nor Unparsed."
        if p.probabilities is None:
            continue
        assert tuple(p.probabilities) == spec.labels, "probabilities are not over the label space, in its order."
        values = list(p.probabilities.values())
        assert all(type(v) is float and math.isfinite(v) and v >= 0 for v in values), f"probabilities are not plain floats of at least 0: {values}."
        assert abs(sum(values) - 1) < 1e-6, f"probabilities sum to {sum(values)}."
        assert not p.parsed or p.probabilities[p.value] >= max(values) - 1e-6, f"the answer {p.value!r} is not the most probable label."


def _alike(what: str, found: Sequence[Prediction], expected: Sequence[Prediction]) -> None:
    """Equal answers, probabilities within `TOLERANCE`; where the two best labels tie within it, either will do."""
    assert len(found) == len(expected), f"{what}: {len(found)} answers instead of {len(expected)}."
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert (a.probabilities is None) == (b.probabilities is None), f"{what}: answer {i + 1} has probabilities only once."
        if a.probabilities is None or b.probabilities is None:
            assert a.value == b.value, f"{what}: answer {i + 1} is {a.value!r} instead of {b.value!r}."
            continue
        gap = max(abs(a.probabilities[label] - b.probabilities[label]) for label in b.probabilities)
        assert gap <= TOLERANCE, f"{what}: a probability of answer {i + 1} differs by {gap:.2g}."
        tie = a.value in b.probabilities and max(b.probabilities.values()) - b.probabilities[a.value] <= 2 * TOLERANCE
        assert a.value == b.value or tie, f"{what}: answer {i + 1} is {a.value!r} instead of {b.value!r}."


def _same_usage(what: str, found: Usage, expected: Usage) -> None:
    for name, value in plain(found).items():
        other = getattr(expected, name)
        assert math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-12), f"{what} records {name} {value}, a meter around it {other}."


__all__ = ["CHECKS", "check_approach"]
