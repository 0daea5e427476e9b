"""Bounds on what a search has not met."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import betaincinv

from sphereufm.landscape import rounds
from sphereufm.landscape.search.coverage import coverage_of, share_of_error
from sphereufm.landscape.search.effort import SearchSettings
from sphereufm.landscape.search.stratum import Stratum
from sphereufm.parallel import Workers
from sphereufm.problem.ufm import UFMProblem
from sphereufm.progress import silent


def test_a_bound_counts_what_other_searches_knew_and_ends_outside_the_problem():
    ends = ["a", "b", None, "c", "a", "d"]
    without = coverage_of(6, ends, known="ab", fresh=4)
    assert without.unseen_bound == pytest.approx(float(betaincinv(3, 2, 0.95)))
    assert coverage_of(6, ends, known="abcd", fresh=4).unseen_bound == pytest.approx(1.0 - 0.05**0.25)
    assert coverage_of(6, ends, known="ab", fresh=4, share=0.2).unseen_bound == pytest.approx(
        float(betaincinv(3, 2, 0.99))
    )
    assert (without.converged, without.orbits) == (5, 4)


@pytest.mark.parametrize("first", range(5))
def test_all_rounds_share_one_error(first):
    before = sum(share_of_error(k, 0) for k in range(first))
    assert 0.9 < before + sum(share_of_error(first + k, k + 1) for k in range(60)) <= 1.0


def test_a_search_that_ends_by_its_bound_is_rarely_wrong(monkeypatch):
    """Always the same mass is unseen, a little more than what is asked for: who looks often must not be lucky."""
    mass = 0.0502
    stratum = Stratum(name="rank 2", problem=UFMProblem(class_sizes=(1, 1), dim=2, tau=1.0))

    def gathered(batch, _):
        rng = np.random.default_rng(batch.seed)
        new = rng.random(batch.count) < mass
        return [f"{batch.first + i}" if rare else "a" for i, rare in enumerate(new)], False

    def ends_below(seed):
        collection = SimpleNamespace(problem=None, labels=frozenset())

        def merge(labels):
            collection.labels = collection.labels.union(labels)
            return labels

        collection.merge = merge
        settings = SearchSettings(most_batches=24)
        search = rounds.Rounds(
            settings=settings, seed=seed, workers=Workers(), collection=collection, progress=silent
        )
        coverage = {}
        for _ in search.search([stratum], coverage, set()):
            pass
        return coverage["rank 2"].unseen_bound < mass

    monkeypatch.setattr(rounds, "_gathered", gathered)
    assert sum(map(ends_below, range(100))) <= 5  # 13 where each round takes 5 %
