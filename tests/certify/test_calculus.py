"""The checker's calculus holds what 80 digits of mpmath and the float kernels say, at points and over boxes."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from flint import arb, arb_mat, ctx

from sphereufm import UFMProblem
from sphereufm.certify import ExactInstance
from sphereufm.certify.checker.kernel import Arb
from sphereufm.certify.checker.place import Place
from sphereufm.certify.checker.reading import Point
from sphereufm.certify.prove.inertia import floats

mp = mpmath.mp.clone()
mp.dps = 80

CASES = [
    {"class_sizes": (2, 1, 1), "dim": 3, "tau": "0.1"},
    {"class_sizes": (1, 3), "dim": 2, "tau": "7/3", "weights": ["1", "1/3", "2", "0.002"]},
    {"labels": (1, 0, 2, 1), "dim": 4, "tau": 50},
    {"class_sizes": (2, 0, 1), "dim": 3, "tau": ["18/5", "2", "1/3"]},
]


@pytest.fixture(params=CASES, ids=["plain", "weights", "labels-cold", "empty-class-and-tau-per-sample"])
def problem(request):
    return UFMProblem(**request.param)


@pytest.fixture
def X(problem):
    return problem.spheres.random_point(7)


def evaluate(problem, X, radius=0, groups=None, bits=160):
    """Everything at balls around columns, as they are."""
    B, p = Arb(bits), ExactInstance.from_problem(problem).problem
    groups = groups or [(y, 1, i) for i, y in enumerate(p.labels)]
    at = Place(B, p, Point(len(X), [], groups, []), {})
    return at.evaluate(groups, [[B.around(B.number(x), B.number(radius)) for x in c] for c in X.T.tolist()])


@pytest.fixture(autouse=True)
def precision():
    with Arb(160):
        yield


def exact_weights(problem):
    weights = problem.exact_weights or [Fraction(1)] * problem.samples
    return [Fraction(w) / sum(weights) for w in weights]


def number(value):
    return mp.mpf(value.numerator) / value.denominator


def cost(problem, X):
    """The definition, ``sum_i omega_i (log sum_k exp(z_ki) - z_yi)``, for columns of mpmath numbers."""
    K, total = problem.classes, mp.mpf(0)
    for i, (y, omega) in enumerate(zip(problem.labels.tolist(), exact_weights(problem), strict=True)):
        rate = problem.exact_rates[i] if problem.exact_rates else Fraction(1)
        z = [number(problem.exact_tau * rate) * mp.fdot(X[:, k], X[:, K + i]) for k in range(K)]
        total += number(omega) * (mp.log(mp.fsum(mp.exp(v) for v in z)) - z[y])
    return total


def multiprecision(X):
    return np.vectorize(mp.mpf, otypes=[object])(X)


def contains(ball, value):
    """Whether the ball holds an mpmath number, to 70 digits."""
    return bool(ball.overlaps(arb(mp.nstr(value, 70))))


def slope(function, X, places):
    """Central difference along one or two entries, with a step of 1e-12 in 80 digits."""
    h = mp.mpf(10) ** -12

    def moved(signs):
        Y = X.copy()
        for sign, place in zip(signs, places, strict=True):
            Y[place] += sign * h
        return function(Y)

    if len(places) == 1:
        return (moved([1]) - moved([-1])) / (2 * h)
    return (moved([1, 1]) - moved([1, -1]) - moved([-1, 1]) + moved([-1, -1])) / (4 * h * h)


def test_cost_is_that_of_many_digits(problem, X):
    ball = evaluate(problem, X).cost
    assert contains(ball, cost(problem, multiprecision(X)))
    assert ball.rad() < arb(2) ** -130 * abs(ball)


def test_gradient_is_the_slope_of_the_cost(problem, X):
    columns = evaluate(problem, X).gradient
    exact = multiprecision(X)
    scale = max(abs(float(v)) for column in columns for v in column)
    for j in range(X.shape[1]):
        for a in range(X.shape[0]):
            expected = slope(lambda Y: cost(problem, Y), exact, [(a, j)])
            assert abs(float(columns[j][a]) - float(expected)) < 2e-13 * scale


def test_hessian_is_the_second_slope_of_the_cost(problem, X):
    d, M = X.shape
    e = evaluate(problem, X)
    # the Riemannian form, whose multipliers are put back
    H = floats(arb_mat(e.hessian)) + np.diag(np.repeat([float(t) for t in e.multipliers], d))
    exact, rng = multiprecision(X), np.random.default_rng(3)
    assert np.array_equal(H, H.T)
    for _ in range(60):
        (a, b), (j, l) = rng.integers(d, size=2), rng.integers(M, size=2)
        expected = slope(lambda Y: cost(problem, Y), exact, [(a, j), (b, l)])
        assert abs(H[j * d + a, l * d + b] - float(expected)) < 1e-11 * np.abs(H).max()


LOSSES = [
    "cross-entropy",
    {"name": "cross-entropy", "margin": "0.3", "offsets": ["0", "1/2", "-1"]},
    {"name": "cross-entropy", "offsets": [["0", "1", "2"], ["1/3", "0", "0"], ["0", "-1", "1"]]},
    {"name": "label-smoothing", "smoothing": "0.1"},
    {"name": "focal", "focusing": "5/2"},
    {"name": "arcface", "margin": "0.4", "rounding": "0.1"},
    "squared-error",
    "logistic",
]


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_float_kernels_agree(loss):
    """Cost, gradient, Hessian and S of the search, which were written apart."""
    taus = ["2", "3/2", "1", "1/2"]
    problem = UFMProblem(labels=(1, 0, 2, 1), dim=3, tau=taus, weights=["1", "2", "1", "3"], loss=loss)
    X = problem.spheres.random_point(7)
    e, at = evaluate(problem, X), problem.at(X)
    gradient = np.array([[float(v) for v in column] for column in e.gradient]).T
    assert float(e.cost) == pytest.approx(float(at.cost), rel=1e-12)
    np.testing.assert_allclose(gradient, at.euclidean_gradient, rtol=1e-11, atol=2e-13)
    np.testing.assert_allclose([float(v) for v in e.multipliers], at.multipliers, rtol=1e-11, atol=2e-13)
    U = np.random.default_rng(5).standard_normal(X.shape)
    H = floats(arb_mat(e.hessian)) + np.diag(np.repeat([float(t) for t in e.multipliers], len(X)))
    product = (H @ U.T.ravel()).reshape(X.T.shape).T
    np.testing.assert_allclose(product, at.euclidean_hessian_product(U), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_the_form_is_that_of_the_matrix_also_out_of_the_span(loss):
    problem = UFMProblem(labels=(1, 0, 2, 1), dim=3, tau="3/2", weights=["1", "2", "1", "3"], loss=loss)
    X = problem.spheres.random_point(3)
    e, wide = evaluate(problem, X), problem.in_dimension(4).at(np.vstack([X, np.zeros(X.shape[1])]))
    U = np.random.default_rng(5).standard_normal((4, X.shape[1]))
    for last in (0.0, 1.0):
        # along X, then also in a dimension that X does not use, then there alone
        for first in (1.0, 0.0)[: 1 + int(last)]:
            V = U * np.array([[first]] * 3 + [[last]])
            form = e.form([[e.B.number(x) for x in column[: 3 + int(last)]] for column in V.T.tolist()])
            # the form takes any V: multipliers as on the tangent space, without its projections
            expected = (V * wide.euclidean_hessian_product(V)).sum() - (
                wide.multipliers * (V * V).sum(0)
            ).sum()
            assert float(form) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_balls_over_a_box_contain_every_point_of_it(loss):
    problem = UFMProblem(class_sizes=(2, 1, 1), dim=3, tau="3/2", loss=loss)
    X, radius = problem.spheres.random_point(7), 2.0**-8
    rng = np.random.default_rng(11)
    wide = evaluate(problem, X, radius)
    for _ in range(6):
        inner = evaluate(problem, X + rng.choice([-1.0, 0.5, 1.0], X.shape) * radius * 0.999)
        assert wide.cost.contains(inner.cost)
        for part in ("gradient", "hessian"):
            for outer_row, inner_row in zip(getattr(wide, part), getattr(inner, part), strict=True):
                assert all(o.overlaps(i) for o, i in zip(outer_row, inner_row, strict=True))


def test_saturated_softmax_keeps_relative_accuracy():
    problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=400)
    X = np.array([[1.0, -1.0, 1.0, -1.0], [0.0, 0.0, 0.0, 0.0]])
    value = evaluate(problem, X).cost
    assert value.overlaps(arb(-800).exp().log1p())
    assert value.rad() < value * arb(2) ** -100


def test_merged_columns_give_the_cost_of_all_samples():
    problem = UFMProblem(class_sizes=(3, 2), dim=2, tau="5/2")
    X = UFMProblem(class_sizes=(2, 1), dim=2, tau="5/2").spheres.random_point(1)
    full = np.column_stack([X[:, :2], X[:, [2, 3, 2, 4, 4]]])
    merged = evaluate(problem, X, groups=[(0, 2, 0), (0, 1, 1), (1, 2, 3)])
    every = evaluate(problem, full)
    assert merged.cost.overlaps(every.cost)
    assert merged.multipliers[3].overlaps(every.multipliers[3])
    for a in range(2):
        for b in range(2):
            # Lemma 1: the block of a group is as often that of one sample as it has samples
            assert (merged.hessian[4 + a][4 + b] / 2).overlaps(every.hessian[4 + a][4 + b])


def test_precision_is_restored_after_an_error():
    def fail():
        with Arb(777):
            seen.append(ctx.prec)
            raise ZeroDivisionError

    before, seen = ctx.prec, []
    with pytest.raises(ZeroDivisionError):
        fail()
    assert (seen, ctx.prec) == ([777], before)
