"""Every loss against its definition: mpmath at both ends, autograd on whole problems, and its own facts."""

from fractions import Fraction

import autograd
import autograd.numpy as anp
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from problem_oracles import observed_order, project

from sphereufm import UFMProblem, check_gradient, check_hessian
from sphereufm.errors import InvalidInputError
from sphereufm.problem.losses import interface
from sphereufm.problem.losses.arcface import ArcFace
from sphereufm.problem.losses.cross_entropy import CrossEntropy
from sphereufm.problem.losses.focal import Focal
from sphereufm.problem.losses.interface import block_from_labels
from sphereufm.problem.losses.label_smoothing import LabelSmoothing
from sphereufm.problem.losses.logistic import Logistic
from sphereufm.problem.losses.logits import log1p_exp
from sphereufm.problem.losses.registry import find_loss, loss_to_json
from sphereufm.problem.losses.squared_error import SquaredError
from sphereufm.problem.theory import theorems

mp = mpmath.mp.clone()
mp.dps = 400

TAU = 2.0
OFFSETS = [[0.0, "0.3", -1.0], [0.5, "0.1", 0.0], [2.0, -0.7, "1/3"]]
LOSSES = (
    CrossEntropy(),
    CrossEntropy(margin="0.35"),
    CrossEntropy(offsets=[0, "-0.5", 2]),
    CrossEntropy(margin=-0.1, offsets=OFFSETS),
    LabelSmoothing(smoothing="0.1"),
    LabelSmoothing(smoothing=0),
    Focal(focusing=2),
    Focal(focusing="1/2"),
    Focal(focusing=0),
    SquaredError(),
    SquaredError(own_weight=3, target=5),
    Logistic(),
    ArcFace(),
    ArcFace(margin=1, rounding="0.1"),
)


def name_of(loss):
    return str(loss_to_json(loss))


def definition(loss, z, y, tau, np_):
    """One sample's loss as one would write it on a blackboard; ``np_`` has exp, log and sqrt."""
    z, K = list(z), len(z)
    number = np_.number
    if isinstance(loss, SquaredError):
        own, target = number(loss.own_weight), number(loss.target)
        return (own * (z[y] - target) ** 2 + sum(v * v for j, v in enumerate(z) if j != y)) / 2
    if isinstance(loss, Logistic):
        return sum(np_.log1p(np_.exp(-v if j == y else v)) for j, v in enumerate(z))
    if isinstance(loss, ArcFace):
        m, rounding = number(loss.margin), number(loss.rounding)
        root = np_.sqrt(tau**2 * (1 + rounding**2) - z[y] ** 2)
        z[y] = z[y] * np_.cos(m) - np_.sin(m) * root
    if isinstance(loss, CrossEntropy):
        z[y] = z[y] - tau * number(loss.margin)
        if loss.offsets is not None:
            for k, row in enumerate(loss.offsets):
                z[k] = z[k] + number(row[y] if isinstance(row, tuple) else row)
    others = sum(np_.exp(v - z[y]) for j, v in enumerate(z) if j != y)
    cost = np_.log1p(others)
    if isinstance(loss, Focal):
        return (others / (1 + others)) ** number(loss.focusing) * cost
    if isinstance(loss, LabelSmoothing):
        return cost + number(loss.smoothing) / K * sum(z[y] - v for v in z)
    return cost


class Exact:
    exp, log1p, sqrt, cos, sin = mp.exp, mp.log1p, mp.sqrt, mp.cos, mp.sin

    @staticmethod
    def number(value):
        return mp.mpf(value.numerator) / value.denominator


class Auto:
    exp, log1p, sqrt, cos, sin, number = anp.exp, anp.log1p, anp.sqrt, anp.cos, anp.sin, float


def exact(loss, z, y, tau):
    return definition(loss, [mp.mpf(v) for v in z], y, mp.mpf(tau), Exact)


def exact_derivatives(loss, z, D, tau):
    """Gradient, and its derivative along D, by central differences in 400 digits."""
    h = mp.mpf(10) ** -80
    z, D = [mp.mpf(v) for v in z], [mp.mpf(v) for v in D]

    def gradient(at):
        rows = []
        for k in range(len(at)):
            up, down = ([v + s * h * (j == k) for j, v in enumerate(at)] for s in (1, -1))
            rows.append((exact(loss, up, 0, tau) - exact(loss, down, 0, tau)) / (2 * h))
        return rows

    ahead, behind = (gradient([v + s * h * e for v, e in zip(z, D, strict=True)]) for s in (1, -1))
    return gradient(z), [(a - b) / (2 * h) for a, b in zip(ahead, behind, strict=True)]


# both ends for losses of a probability: costs of 1e-300, and of 1e3
COLUMNS = ([0.3, -0.2, 1.1], [690.0, 0.0, -3.0], [-1.0e3, 0.0, 20.0], [0.0, 0.0, 0.0], [-40.0, 1.0, 1.0])


@pytest.mark.parametrize("column", range(len(COLUMNS)))
@pytest.mark.parametrize("loss", LOSSES, ids=name_of)
def test_value_and_derivatives_agree_with_mpmath_at_both_ends(loss, column):
    z = np.array(COLUMNS[column])
    # the angular margin needs logits that are cosines times tau
    tau = 2000.0 if isinstance(loss, ArcFace) else TAU
    scale = 0.37
    block = block_from_labels(np.array([0]), np.array([scale / tau]), tau)
    terms = loss.forward(z[:, None].copy(), block)
    D = np.array([0.7, -0.4, 1.3])
    cost, (gradient, change) = exact(loss, z, 0, tau), exact_derivatives(loss, z, D, tau)
    # a rounded offset or target enters the exponent
    size = 1e-14 * (1.0 + float(np.abs(z).max()))
    assert float(abs(terms.cost[0] - cost)) <= size * float(abs(cost)) + 1e-320
    assert float(
        abs(interface.excess(loss, z[:, None].copy(), block)[0] - cost + loss.facts(3).floor)
    ) <= 1e-15 + size * float(abs(cost))
    with np.errstate(divide="ignore"):
        assert interface.log_cost(loss, z[:, None].copy(), block)[0] == pytest.approx(
            float(mp.log(cost)), abs=10 * size
        )
    largest = max(float(abs(g)) for g in gradient)
    for k in range(3):
        assert float(abs(terms.G[k, 0] - scale * gradient[k])) <= 3 * size * scale * largest + 1e-320
    curved = loss.curvature(terms, D[:, None].copy(), block)
    bent = max(float(abs(c)) for c in change)
    for k in range(3):
        # label smoothing takes a constant off again
        error = (
            10 * size * scale * bent + 1e-15 * float(interface.magnitude(loss, terms, block).max()) + 1e-320
        )
        assert float(abs(curved[k, 0] - scale * change[k])) <= error


def problem_of(loss, **changes):
    settings_ = {"class_sizes": (2, 1, 3), "dim": 4, "tau": "0.9", "loss": loss}
    return UFMProblem(**{**settings_, **changes})


def textbook(problem):
    taus = problem.tau * np.array([float(r) for r in problem.exact_rates or [1] * problem.samples])

    def cost(X):
        Z = anp.dot(X[:, : problem.classes].T, X[:, problem.classes :]) * taus
        return sum(
            w * definition(problem.loss, [Z[k, i] for k in range(problem.classes)], int(y), taus[i], Auto)
            for i, (w, y) in enumerate(zip(problem.weights, problem.labels, strict=True))
        )

    return cost


@pytest.mark.parametrize(
    "tau", ["0.9", [1, 2, "0.5"], [1, 2, 3, 1, 1, "1/2"]], ids=["one", "classes", "samples"]
)
@pytest.mark.parametrize("loss", LOSSES, ids=name_of)
def test_problems_agree_with_autograd_in_one_block_and_in_several(loss, tau, monkeypatch):
    problem = problem_of(loss, tau=tau, weights=[1, 2, 3, 1, 1, 5])
    X = problem.spheres.random_point(0)
    U = problem.spheres.random_tangent(1, X)
    f = textbook(problem)
    gradient = autograd.grad(f)(X)
    curved = autograd.grad(lambda Y: anp.sum(autograd.grad(f)(Y) * U))(X)
    product = project(X, curved) - U * (X * gradient).sum(axis=0)
    monkeypatch.setattr("sphereufm.problem.kernels._SMALLEST_BLOCK", 4)
    monkeypatch.setattr("sphereufm.problem.kernels._BLOCK_LOGITS", 4)
    for again in (problem, problem_of(loss, tau=tau, weights=[1, 2, 3, 1, 1, 5])):
        point = again.at(X)
        np.testing.assert_allclose(point.cost, f(X), rtol=2e-13)
        np.testing.assert_allclose(np.exp(again.log_cost(X)), f(X), rtol=1e-12)
        np.testing.assert_allclose(point.gradient, project(X, gradient), rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(point.hessian_product(U), product, rtol=1e-8, atol=1e-13)


@pytest.mark.parametrize("loss", LOSSES, ids=name_of)
def test_a_batch_is_its_points_one_by_one_and_checks_pass(loss):
    problem = problem_of(loss)
    X = problem.spheres.random_point(0, (3,))
    U = problem.spheres.random_tangent(1, X)
    for i in range(3):
        np.testing.assert_allclose(problem.cost(X)[i], problem.cost(X[i]), rtol=1e-14)
        np.testing.assert_allclose(
            problem.hessian_product(X, U)[i], problem.hessian_product(X[i], U[i]), rtol=1e-11, atol=1e-15
        )
    assert check_gradient(problem).passed
    assert check_hessian(problem).passed


@given(
    loss=st.sampled_from(LOSSES),
    z=hnp.arrays(np.float64, 3, elements=st.floats(-6.0, 6.0)),
    D=hnp.arrays(np.float64, 3, elements=st.floats(-3.0, 3.0)),
    y=st.integers(0, 2),
)
@settings(max_examples=150)
def test_facts_are_true(loss, z, D, y):
    facts, tau = loss.facts(3), 10.0
    block = block_from_labels(np.array([y]), np.array([1.0 / tau]), tau)
    terms = loss.forward(z[:, None].copy(), block)
    assert terms.cost[0] >= facts.floor - 1e-12
    curved = loss.curvature(terms, D[:, None].copy(), block)[:, 0]
    if facts.convex:
        assert D @ curved >= -1e-12 * (D @ D)
    if facts.shift_invariant:
        assert abs(terms.G.sum()) <= 1e-13
        np.testing.assert_allclose(
            loss.forward(z[:, None] + 1.25, block).cost, terms.cost, rtol=1e-10, atol=1e-13
        )
    if facts.probability:
        others = np.delete(terms.G[:, 0], y)
        assert (others > 0.0).all()
        assert terms.G[y, 0] > -1.0
    # logits of the largest size that the threshold excludes
    if facts.vanishes_from > 0.0:
        reach = min(facts.vanishes_from, 6.0) * (1.0 - 1e-6)
        small = np.clip(z, -reach, reach)
        assert np.abs(loss.forward(small[:, None], block).G).max() > 0.0


def test_the_threshold_of_label_smoothing_is_where_its_derivative_first_vanishes():
    loss = LabelSmoothing(smoothing="0.1")
    tau = loss.facts(10).vanishes_from
    assert tau == pytest.approx(np.log(91.0) / 2.0)
    z = np.full((10, 1), -tau)
    z[3] = tau
    block = block_from_labels(np.array([3]), np.ones(1))
    assert np.abs(loss.forward(z.copy(), block).G).max() < 1e-15
    # the value above the floor is a square of what is left, not a difference of numbers of the floor's size
    assert interface.excess(loss, z.copy(), block)[0] < 1e-29
    excess = [float(interface.excess(loss, z + step * (z > 0), block)[0]) for step in (1e-4, 5e-5, 2.5e-5)]
    np.testing.assert_allclose(observed_order(excess), 2.0, atol=1e-3)
    assert excess[0] == pytest.approx(0.5 * 1e-8 * 0.91 * 0.09, rel=1e-3)


@pytest.mark.parametrize("loss", LOSSES, ids=name_of)
def test_json_and_pickle_give_the_same_loss_back(loss):
    assert find_loss(loss_to_json(loss)) == loss


def test_older_files_name_the_loss_or_say_nothing():
    assert find_loss("cross-entropy") == CrossEntropy()


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("hinge", "must be one of cross-entropy"),
        (7, "must be one of"),
        ({"name": "focal", "gamma": 2}, "has no parameter 'gamma'; its parameters are focusing"),
        ({"name": "logistic", "margin": 2}, "it has none"),
        ({"name": "label-smoothing", "smoothing": 1}, "at least 0 and below 1"),
        ({"name": "label-smoothing", "smoothing": "-0.1"}, "at least 0"),
        ({"name": "label-smoothing", "smoothing": float("nan")}, "must be a number"),
        ({"name": "focal", "focusing": -1}, "must be at least 0"),
        ({"name": "focal", "focusing": "two"}, "must be a number"),
        ({"name": "squared-error", "target": 0}, "target=0 must be positive"),
        ({"name": "arcface", "rounding": "-0.1"}, "rounding='-0.1' must be positive"),
        ({"name": "squared-error", "target": "1e400"}, "must be of a size from 1e-100 to 1e.100, or zero"),
        ({"name": "squared-error", "own_weight": 10**400}, "must be of a size"),
        *(
            ({"name": "arcface", "rounding": x}, "at least 1e-07 and below")
            for x in ("1e-400", "1e-8", "1e200")
        ),
        ({"name": "focal", "focusing": "1e99999999"}, "decimal exponent within"),
        ({"name": "cross-entropy", "offsets": [0, 0, "1e-99999999"]}, "decimal exponent within"),
        ({"name": "focal", "b": 1, "a": 2, "c": 3}, "no parameter 'b'"),
        ({"name": "arcface", "margin": 2}, "at least 0 and below"),
        ({"name": "cross-entropy", "margin": float("inf")}, "must be a number"),
        ({"name": "cross-entropy", "offsets": [1, 2]}, "2 rows, but there are 3 classes"),
        ({"name": "cross-entropy", "offsets": [[1, 2], [3]]}, "K rows of K numbers"),
        ({"name": "cross-entropy", "offsets": 3}, "K rows of K numbers"),
    ],
)
def test_bad_losses_are_refused_in_a_sentence(loss, message):
    with pytest.raises(InvalidInputError, match=message):
        problem_of(loss)


PARAMETERS = [
    (kind.name, field)
    for kind, names in {
        CrossEntropy: ("margin",),
        LabelSmoothing: ("smoothing",),
        Focal: ("focusing",),
        SquaredError: ("own_weight", "target"),
        ArcFace: ("margin", "rounding"),
    }.items()
    for field in names
]


@pytest.mark.parametrize(("name", "field"), PARAMETERS)
@pytest.mark.parametrize("sign", ["", "-"])
def test_parameters_of_any_size_are_refused_or_answered(name, field, sign):
    refusals = []
    for size in ("1e-400", "1e-200", "1e-99", "1e-9", "1e3", "1e99", "1e200", "1e400"):
        try:
            problem = problem_of({"name": name, field: sign + size}, tau=30)
        except InvalidInputError as refusal:
            refusals.append(str(refusal))
            continue
        X = problem.spheres.random_point(0)
        with np.errstate(all="ignore"):
            assert not problem.known_minimum() or problem.known_minimum() > 0.0
            assert problem.optimality_gap(X).value > 0.0
            assert np.isfinite(problem.log_cost(X))
    assert len(refusals) < 8 or sign
    assert all(field in refusal for refusal in refusals)


@pytest.mark.parametrize("loss", LOSSES, ids=name_of)
def test_derivatives_at_tiny_temperatures_are_proportional_to_them(loss):
    small, tiny = (problem_of(loss, tau=tau) for tau in (1e-7, 1e-200))
    X = small.spheres.random_point(3)
    U = small.spheres.random_tangent(4, X)
    for answer in (lambda p: p.gradient(X), lambda p: p.hessian_product(X, U)):
        slope = answer(small) / 1e-7
        np.testing.assert_allclose(answer(tiny) / 1e-200, slope, rtol=0, atol=1e-4 * np.abs(slope).max())


@pytest.mark.parametrize("loss", LOSSES, ids=name_of)
def test_an_empty_stack_has_empty_answers(loss):
    problem = problem_of(loss)
    X = np.empty((2, 0, *problem.shape))
    point = problem.at(X)
    assert point.cost.shape == point.log_cost.shape == point.excess.shape == (2, 0)
    assert point.gradient.shape == point.hessian_product(X).shape == X.shape
    assert point.gradient_scale.shape == (2, 0, problem.shape[1])


@pytest.mark.parametrize("margin", [Fraction(1), 25, 1000, 10**50])
def test_minima_of_large_margins_agree_with_mpmath(margin):
    problem = UFMProblem(
        class_sizes=(1, 1, 1), dim=4, tau=30, loss={"name": "cross-entropy", "margin": margin}
    )
    for minimum, lead in (
        (theorems.global_minimum, mp.mpf(3) / 2),
        (theorems.nonnegative_minimum, mp.sqrt(mp.mpf(3) / 2)),
    ):
        exact = mp.log1p(2 * mp.exp(30 * (mp.mpf(int(margin)) - lead)))
        assert abs(minimum(problem) - exact) <= 1e-13 * exact


@pytest.mark.parametrize("count", [1, 10**4, 10**9])
@pytest.mark.parametrize("x", [-800.0, 0.0, 599.9, 600.1, 699.9, 710.0])
def test_logarithms_of_many_exponentials_do_not_overflow(count, x):
    exact = mp.log1p(count * mp.exp(x))
    assert abs(log1p_exp(count, x) - exact) <= 1e-14 * exact + 1e-320


def test_symmetry_knows_what_a_loss_and_temperatures_tell_apart():
    def order(**changes):
        return UFMProblem(class_sizes=(2, 2, 2), dim=3, **{"tau": 1, **changes}).symmetry.permutations.order

    assert order() == 2**3 * 6
    assert order(loss=CrossEntropy(offsets=[1, 1, 0])) == 2**3 * 2
    assert order(loss=CrossEntropy(offsets=[[0, 1, 1], [1, 0, 1], [1, 1, 0]])) == 2**3 * 6
    assert order(loss=CrossEntropy(offsets=[[0, 1, 2], [1, 0, 2], [2, 2, 0]])) == 2**3 * 2
    assert order(loss=CrossEntropy(offsets=OFFSETS)) == 2**3
    assert order(tau=[1, 1, 2]) == 2**3 * 2
    assert order(tau=[1, 2, 1, 2, 1, 2]) == 6
    with pytest.raises(InvalidInputError, match="one a class"):
        order(tau=[1, 2])


def test_exchanging_exchangeable_classes_leaves_the_cost_alone():
    problem = problem_of(
        {"name": "cross-entropy", "offsets": [[0, 1, 2], [1, 0, 2], [3, 3, 4]]},
        class_sizes=(2, 2, 1),
        tau=[2, 2, 3],
    )
    X = problem.spheres.random_point(0)
    rng = np.random.default_rng(1)
    for _ in range(10):
        s = problem.symmetry.permutations.random(rng)
        np.testing.assert_allclose(problem.cost(X[:, s]), problem.cost(X), rtol=1e-14)


def test_a_loss_is_found_by_itself():
    assert find_loss(Logistic()) == Logistic()
