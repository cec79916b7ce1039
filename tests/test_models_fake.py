"""The model without weights: the contract suite over it, and that it learns in context as its module says."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from fieldguide.errors import ModelError
from fieldguide.models.pool import ModelPool
from fieldguide.testing.check_model import check_model

PROMPT = "Sort.\n\nred green\nAnswer: colour\n\none two\nAnswer: number\n\nred blue two red\nAnswer:"


@pytest.mark.parametrize("reference", ["fake:", "fake:7", "fake:7,noise=0.5"])
def test_contract(reference: str) -> None:
    check_model(ModelPool().get(reference))


def test_it_answers_as_the_most_similar_demonstration_was_answered() -> None:
    model = ModelPool().get("fake:")
    [[colour, number, other]] = model.score([PROMPT], [[" colour", " number", " animal"]]).totals
    assert colour > number > other
    assert model.generate([PROMPT])[0][0].text == " colour"


def test_without_demonstrations_shared_words_decide() -> None:
    [[tool, fruit]] = ModelPool().get("fake:").score(["this tool broke\nAnswer:"], [[" tool", " fruit"]]).totals
    assert tool > fruit


def test_texts_that_share_words_lie_close() -> None:
    a, b, c = ModelPool().get("fake:").embed(["the parcel came late", "my parcel is late", "forgot password again"])
    assert a @ b > a @ c + 0.2


def test_noise_and_seed_change_scores_and_identity() -> None:
    pool = ModelPool()
    references = ["fake:", "fake:1", "fake:,noise=1"]
    assert len({pool.get(r).score([PROMPT], [[" colour"]]).totals for r in references}) == 3
    assert len({pool.identity(r) for r in references}) == 3
    assert all(pool.identity(r) == pool.get(r).facts.identity for r in references)
    with pytest.raises(ModelError, match="write fake:"):
        pool.get("fake:x")


def test_answers_are_the_same_in_another_process_and_need_no_torch() -> None:
    code = "from fieldguide.models.pool import ModelPool; import sys; print(ModelPool().get('fake:').embed(['a b'])[0].sum(), 'torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert np.isclose(float(shown[0]), ModelPool().get("fake:").embed(["a b"])[0].sum(), atol=1e-5)
    assert shown[1] == "False"
