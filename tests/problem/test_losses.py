"""Cross-entropy block by block against mpmath."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sphereufm.problem.losses.cross_entropy import CrossEntropy
from sphereufm.problem.losses.interface import block_from_labels
from sphereufm.problem.losses.registry import LOSSES

LOSS = CrossEntropy()
mp = mpmath.mp.clone()
mp.dps = 60

# own logit first: far ahead, level, far behind, beyond what exp can hold, and nothing but ties
COLUMNS = np.array(
    [
        [0.0, 800.0, -3.0, -1e4, 1e4, 2.0, -650.0],
        [0.0, 0.0, 1.0, 1e4, -1e4, 2.0, 0.0],
        [0.0, -5.0, -40.0, 9999.0, 0.0, 2.0, 0.0],
    ]
)


def block(labels, scale):
    return block_from_labels(np.asarray(labels), np.asarray(scale, dtype=float))


def forward(Z, labels, scale):
    return LOSS.forward(Z.copy(), block(labels, scale))


def exact_column(z, y):
    """Probabilities, ``1 - p_y`` and cost in 60 digits."""
    e = [mp.exp(mp.mpf(float(v)) - mp.mpf(float(z[y]))) for v in z]
    others = mp.fsum(v for j, v in enumerate(e) if j != y)
    return [v / (1 + others) for v in e], others / (1 + others), mp.log1p(others)


@pytest.mark.parametrize("i", range(COLUMNS.shape[1]))
def test_forward_agrees_with_mpmath_to_rounding(i):
    z, scale = COLUMNS[:, i : i + 1], 0.37
    terms = forward(z, [0], [scale])
    p, miss, cost = exact_column(z[:, 0], 0)
    assert terms.cost[0] == pytest.approx(float(cost), rel=2e-13, abs=0)
    expected = [-scale * float(miss), *(scale * float(v) for v in p[1:])]
    np.testing.assert_allclose(terms.G[:, 0], expected, rtol=2e-13, atol=0)
    assert terms.state[0] == pytest.approx(scale * float(p[0]), rel=2e-13, abs=0)


def test_columns_of_one_block_do_not_disturb_each_other():
    terms = forward(COLUMNS, [0] * 7, np.full(7, 0.5))
    for i in range(7):
        alone = forward(COLUMNS[:, i : i + 1], [0], [0.5])
        np.testing.assert_allclose(terms.G[:, i], alone.G[:, 0], rtol=2e-13, atol=0)
        np.testing.assert_allclose(terms.cost[i], alone.cost[0], rtol=2e-13, atol=0)


@pytest.mark.parametrize("margin", [599.9999, 600.0001])
def test_both_ways_to_sum_agree_where_they_meet(margin):
    z = np.array([[0.0], [margin], [margin - 1.0]])
    p, _, cost = exact_column(z[:, 0], 0)
    terms = forward(z, [0], [1e-7])
    np.testing.assert_allclose(terms.cost, float(cost), rtol=2e-13)
    np.testing.assert_allclose(terms.state, 1e-7 * float(p[0]), rtol=2e-13, atol=0)


def test_batch_axes_come_first_and_change_nothing():
    Z = np.random.default_rng(0).normal(size=(2, 3, 4, 5)) * 10.0
    labels, scale = [0, 3, 3, 1, 2], np.linspace(0.1, 1.0, 5)
    terms = forward(Z, labels, scale)
    D = np.random.default_rng(1).normal(size=Z.shape)
    curved = LOSS.curvature(terms, D.copy(), block(labels, scale))
    for i in np.ndindex(2, 3):
        one = forward(Z[i], labels, scale)
        np.testing.assert_allclose(terms.G[i], one.G, rtol=2e-13, atol=0)
        np.testing.assert_allclose(terms.cost[i], one.cost, rtol=2e-13, atol=0)
        expected = LOSS.curvature(one, D[i].copy(), block(labels, scale))
        np.testing.assert_allclose(curved[i], expected, rtol=1e-12, atol=2e-13)


def test_out_receives_the_derivative():
    out = np.full(COLUMNS.shape, np.nan)
    terms = LOSS.forward(COLUMNS.copy(), block([0] * 7, np.ones(7)), out)
    assert terms.G is out
    np.testing.assert_array_equal(out, forward(COLUMNS, [0] * 7, np.ones(7)).G)


@pytest.mark.parametrize("i", range(COLUMNS.shape[1]))
def test_curvature_agrees_with_mpmath(i):
    z, D = COLUMNS[:, i : i + 1], np.array([[3.0], [2.0], [-1.0]])
    terms = forward(z, [0], [0.37])
    p, _, _ = exact_column(z[:, 0], 0)
    curved = LOSS.curvature(terms, D.copy(), block([0], [0.37]))
    mean = mp.fsum(q * mp.mpf(v) for q, v in zip(p, D[:, 0], strict=True))
    expected = [0.37 * float(q * (mp.mpf(v) - mean)) for q, v in zip(p, D[:, 0], strict=True)]
    size = np.abs(expected).max()
    np.testing.assert_allclose(curved[:, 0], expected, rtol=2e-13, atol=2e-13 * size)


@pytest.mark.parametrize("i", range(COLUMNS.shape[1]))
def test_log_cost_agrees_with_mpmath_also_where_the_cost_underflows(i):
    z = COLUMNS[:, i : i + 1]
    _, _, cost = exact_column(z[:, 0], 0)
    found = LOSS.log_cost(z.copy(), block([0], [1.0]))[0]
    # an ulp of one, absolute, is an ulp of the cost, relative
    assert found == pytest.approx(float(mp.log(cost)), rel=2e-13, abs=2e-13)


logits = hnp.arrays(np.float64, (3, 4), elements=st.floats(-1e4, 1e4))


@given(Z=logits, shift=st.floats(-100.0, 100.0))
def test_derivative_sums_to_zero_has_the_right_signs_and_ignores_shifts(Z, shift):
    labels = [0, 1, 2, 0]
    terms = forward(Z, labels, np.ones(4))
    np.testing.assert_allclose(terms.G.sum(axis=0), 0.0, atol=2e-13)
    assert (terms.cost >= 0.0).all()
    off = np.ones(Z.shape, dtype=bool)
    off[labels, range(4)] = False
    assert (terms.G[off] >= 0.0).all()
    assert (terms.G[~off] <= 0.0).all()
    moved = forward(Z + shift, labels, np.ones(4))
    # adding the shift rounds the logits to 1e-12
    np.testing.assert_allclose(moved.cost, terms.cost, rtol=1e-10, atol=1e-300)


@given(Z=logits, D=hnp.arrays(np.float64, (3, 4), elements=st.floats(-10.0, 10.0)))
def test_curvature_is_never_negative(Z, D):
    terms = forward(Z, [0, 1, 2, 0], np.ones(4))
    curved = LOSS.curvature(terms, D.copy(), block([0, 1, 2, 0], np.ones(4)))
    assert ((D * curved).sum(axis=0) >= -2e-13).all()
    np.testing.assert_allclose(curved.sum(axis=0), 0.0, atol=2e-13)


def test_losses_are_listed_under_their_own_names():
    assert {name: kind().name for name, kind in LOSSES.items()} == {name: name for name in LOSSES}
