"""Ball formulas contain what 80 digits of mpmath and the float kernels say, at points and over boxes."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from flint import arb, arb_mat, ctx

from sphereufm import UFMProblem
from sphereufm.certify import ExactInstance
from sphereufm.certify.balls import UFMBalls, box, floats, precision, unit_columns
from sphereufm.certify.prove.candidate import exact_columns

mp = mpmath.mp.clone()
mp.dps = 80

CASES = [
    {"class_sizes": (2, 1, 1), "dim": 3, "tau": "0.1"},
    {"class_sizes": (1, 3), "dim": 2, "tau": "7/3", "weights": ["1", "1/3", "2", "0.002"]},
    {"labels": (1, 0, 2, 1), "dim": 4, "tau": 50},
    {"class_sizes": (2, 0, 1), "dim": 3, "tau": "18/5"},
]


@pytest.fixture(params=CASES, ids=["plain", "weights", "labels-cold", "empty-class"])
def problem(request):
    return UFMProblem(**request.param)


@pytest.fixture
def X(problem):
    return problem.spheres.random_point(7)


def evaluate(problem, X, radius=Fraction(0)):
    balls = UFMBalls(ExactInstance.from_problem(problem), None)
    return balls.at(box(exact_columns(X), radius))


def exact_weights(problem):
    weights = problem.exact_weights or [Fraction(1)] * problem.samples
    return [Fraction(w) / sum(weights) for w in weights]


def number(value):
    return mp.mpf(value.numerator) / value.denominator


def cost(problem, X):
    """The definition, ``sum_i omega_i (log sum_k exp(z_ki) - z_yi)``, for columns of mpmath numbers."""
    K, total = problem.classes, mp.mpf(0)
    for i, (y, omega) in enumerate(zip(problem.labels.tolist(), exact_weights(problem), strict=True)):
        z = [number(problem.exact_tau) * mp.fdot(X[:, k], X[:, K + i]) for k in range(K)]
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
    with precision(160):
        ball = evaluate(problem, X).cost
        assert contains(ball, cost(problem, multiprecision(X)))
    assert ball.rad() < arb(2) ** -130 * abs(ball)


def test_gradient_is_the_slope_of_the_cost(problem, X):
    with precision(160):
        columns = evaluate(problem, X).gradient
    exact = multiprecision(X)
    scale = max(abs(float(v)) for column in columns for v in column)
    for j in range(X.shape[1]):
        for a in range(X.shape[0]):
            expected = slope(lambda Y: cost(problem, Y), exact, [(a, j)])
            assert abs(float(columns[j][a]) - float(expected)) < 2e-13 * scale


def test_hessian_is_the_second_slope_of_the_cost(problem, X):
    with precision(160):
        H = floats(arb_mat(evaluate(problem, X).hessian))
    d, M = X.shape
    exact, rng = multiprecision(X), np.random.default_rng(3)
    assert np.array_equal(H, H.T)
    for _ in range(60):
        (a, b), (j, l) = rng.integers(d, size=2), rng.integers(M, size=2)
        expected = slope(lambda Y: cost(problem, Y), exact, [(a, j), (b, l)])
        assert abs(H[j * d + a, l * d + b] - float(expected)) < 1e-11 * np.abs(H).max()


def test_floats_kernels_agree(problem, X):
    with precision(128):
        balls = evaluate(problem, X)
        gradient = np.array([[float(v) for v in column] for column in balls.gradient]).T
        H, S = floats(arb_mat(balls.hessian)), floats(arb_mat(balls.S))
        multipliers = np.array([float(v) for v in balls.multipliers])
    at = problem.at(X)
    U = np.random.default_rng(5).standard_normal(X.shape)
    np.testing.assert_allclose(gradient, at.euclidean_gradient, rtol=1e-11, atol=2e-13)
    np.testing.assert_allclose(multipliers, at.multipliers, rtol=1e-11, atol=2e-13)
    np.testing.assert_allclose(S, at.multiplier_matrix.dense(), rtol=1e-11, atol=2e-13)
    product = (H @ U.T.ravel()).reshape(X.T.shape).T
    np.testing.assert_allclose(product, at.euclidean_hessian_product(U), rtol=1e-10, atol=1e-11)


def test_balls_over_a_box_contain_every_point_of_it(problem, X):
    radius = Fraction(1, 1 << 8)
    rng = np.random.default_rng(11)
    with precision(128):
        wide = evaluate(problem, X, radius)
        for _ in range(20):
            inner = evaluate(problem, X + rng.choice([-1.0, 0.5, 1.0], X.shape) * float(radius) * 0.999)
            assert wide.cost.contains(inner.cost)
            for part in ("gradient", "hessian", "S"):
                for outer_row, inner_row in zip(getattr(wide, part), getattr(inner, part), strict=True):
                    assert all(o.overlaps(i) for o, i in zip(outer_row, inner_row, strict=True))


def test_saturated_softmax_keeps_relative_accuracy():
    problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=400)
    X = np.array([[1.0, -1.0, 1.0, -1.0], [0.0, 0.0, 0.0, 0.0]])
    with precision(128):
        value = evaluate(problem, X).cost
        assert value.overlaps(arb(-800).exp().log1p())
        assert value.rad() < value * arb(2) ** -100


def test_merged_columns_give_the_cost_of_all_samples():
    instance = ExactInstance(classes=2, dim=2, class_sizes=(3, 2), tau=Fraction(5, 2))
    X = UFMProblem(class_sizes=(2, 1), dim=2, tau="5/2").spheres.random_point(1)
    groups = (((0, 1), (2, 3)), ((1, 2),), ((3, 5),))
    full = np.column_stack([X[:, :2], X[:, [2, 3, 2, 4, 4]]])
    with precision(128):
        merged = UFMBalls(instance, groups).at(box(exact_columns(X), Fraction(0)))
        every = UFMBalls(instance, None).at(box(exact_columns(full), Fraction(0)))
        assert merged.cost.overlaps(every.cost)
        assert merged.multipliers[3].overlaps(every.multipliers[3])
        block = every.hessian
        split = merged.split_block(0)
        for a in range(2):
            for b in range(2):
                own = block[4 + a][4 + b] - (every.multipliers[2] if a == b else 0)
                assert split[a][b].overlaps(own)


def test_unit_columns_have_length_one():
    with precision(128):
        columns = unit_columns(((Fraction(3), Fraction(4)), (Fraction(1), Fraction(1)))).transpose().tolist()
    for column in columns:
        assert (column[0] ** 2 + column[1] ** 2).contains(1)
    assert float(columns[0][0]) == pytest.approx(0.6)


def test_precision_is_restored_after_an_error():
    def fail():
        with precision(777):
            seen.append(ctx.prec)
            raise ZeroDivisionError

    before, seen = ctx.prec, []
    with pytest.raises(ZeroDivisionError):
        fail()
    assert (seen, ctx.prec) == ([777], before)
