"""Bounds on what a search has not met."""

import pytest
from scipy.special import betaincinv

from sphereufm.landscape.search.coverage import coverage_of


def test_a_bound_counts_what_other_searches_knew_and_ends_outside_the_problem():
    ends = ["a", "b", None, "c", "a", "d"]
    without = coverage_of(6, ends, known="ab", fresh=4)
    assert without.unseen_bound == pytest.approx(float(betaincinv(3, 2, 0.95)))
    assert coverage_of(6, ends, known="abcd", fresh=4).unseen_bound == pytest.approx(1.0 - 0.05**0.25)
    assert (without.converged, without.orbits) == (5, 4)
