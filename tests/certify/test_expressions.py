"""Costs given as expressions: derivatives against mpmath, claims on max-cut, Thomson and fourth powers."""

import itertools
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from flint import arb, arb_mat

from sphereufm.certify import (
    CriticalClaim,
    ExpressionInstance,
    IndexClaim,
    SpuriousClaim,
    StrictSaddleClaim,
    prove_gap,
    prove_point,
    read_certificate,
    write_certificate,
)
from sphereufm.certify.checker.kernel import Arb
from sphereufm.certify.checker.programs import evaluate_program
from sphereufm.certify.expressions import Cost, exp, fourth_powers, log, max_cut, sqrt, thomson
from sphereufm.certify.prove.inertia import floats
from sphereufm.errors import InvalidInputError
from sphereufm.problem.expressions.expression_problem import ExpressionProblem

mp = mpmath.mp.clone()
mp.dps = 60


def mixed():
    """Every instruction, arguments used twice, and values that the cost does not need."""
    cost = Cost(dim=2, columns=3)
    a, b, c = cost.gram(0, 1), cost.gram(1, 2), cost.x(1, 2)
    square = a * a
    exp(b)
    first = exp(square - b / 3) + log(2 + a + a) / sqrt(5 - square)
    return cost.instance(first - (b * c) ** 3 + (-c) * square + cost.gram(0, 0) / (3 + b))


def balls(B, instance, X, radius=0.0):
    """Everything at balls around columns, as they are."""
    columns = [[B.around(B.number(x), B.number(radius)) for x in column] for column in X.T.tolist()]
    return evaluate_program(B, instance.problem, columns)


def evaluate(instance, X):
    """The program by its definition, in mpmath numbers."""
    values = []
    for name, *arguments in instance.program:
        v = [values[a] for a in arguments] if name not in ("const", "x", "gram", "pow") else None
        if name == "const":
            q = Fraction(arguments[0])
            values.append(mp.mpf(q.numerator) / q.denominator)
        elif name == "x":
            values.append(X[arguments[0], arguments[1]])
        elif name == "gram":
            values.append(mp.fdot(X[:, arguments[0]], X[:, arguments[1]]))
        elif name == "pow":
            values.append(values[arguments[0]] ** arguments[1])
        else:
            table = {
                "add": sum,
                "sub": lambda v: v[0] - v[1],
                "mul": lambda v: v[0] * v[1],
                "div": lambda v: v[0] / v[1],
            }
            table |= {"neg": lambda v: -v[0], "exp": lambda v: mp.exp(v[0]), "log": lambda v: mp.log(v[0])}
            table |= {"sqrt": lambda v: mp.sqrt(v[0])}
            values.append(table[name](v))
    return values[-1]


@pytest.mark.parametrize(
    "instance", [mixed(), thomson(4), fourth_powers(3), max_cut([[0, "1/3", 2], [0, 0, -1], [0, 0, 0]], 2)]
)
def test_derivatives_are_the_slopes(instance):
    d, M = instance.dim, instance.columns
    X = np.random.default_rng(2).standard_normal((d, M))
    X /= np.linalg.norm(X, axis=0)
    exact, h = np.vectorize(mp.mpf, otypes=[object])(X), mp.mpf(10) ** -15
    B = Arb(160)
    with B:
        at = balls(B, instance, X)
        assert at.cost.overlaps(arb(mp.nstr(evaluate(instance, exact), 55)))
        gradient, H = np.array([[float(v) for v in c] for c in at.gradient]), floats(arb_mat(at.hessian))
        H += np.diag(np.repeat([float(t) for t in at.multipliers], d))

    def moved(*steps):
        Y = exact.copy()
        for sign, (a, j) in steps:
            Y[a, j] += sign * h
        return evaluate(instance, Y)

    places = [(a, j) for j in range(M) for a in range(d)]
    for p, place in enumerate(places):
        slope = (moved((1, place)) - moved((-1, place))) / (2 * h)
        assert abs(gradient[place[1], place[0]] - float(slope)) < 1e-12
        for q, other in enumerate(places[: p + 1]):
            second = sum(s * t * moved((s, place), (t, other)) for s in (1, -1) for t in (1, -1)) / (
                4 * h * h
            )
            assert abs(H[p, q] - float(second)) < 1e-10
            assert H[p, q] == H[q, p]


def test_box_contains_every_point_of_it():
    instance, rng, radius = mixed(), np.random.default_rng(4), 2.0**-8
    X = rng.standard_normal((2, 3))
    X /= np.linalg.norm(X, axis=0)
    B = Arb(128)
    with B:
        wide = balls(B, instance, X, radius)
        for _ in range(10):
            inner = balls(B, instance, X + rng.uniform(-1, 1, X.shape) * radius)
            assert wide.cost.contains(inner.cost)
            for outer_row, inner_row in zip(wide.hessian, inner.hessian, strict=True):
                assert all(o.contains(i) for o, i in zip(outer_row, inner_row, strict=True))


def test_fourth_powers_have_the_known_indices():
    # at a point with m equal entries the Hessian has m - 1 negative and d - m positive eigenvalues
    instance = fourth_powers(3)
    for signs in itertools.product((-1, 0, 1), repeat=3):
        m = sum(map(abs, signs))
        if m == 0:
            continue
        X = np.array(signs, dtype=float)[:, None] / np.sqrt(m)
        certificate = prove_point(instance, X)
        assert certificate.reason == ""
        assert certificate.find(CriticalClaim) is not None
        assert certificate.find(IndexClaim).index == m - 1
        assert certificate.cost == pytest.approx(-1 / m, rel=1e-12)


def test_thomson_tetrahedron_is_a_minimum_and_the_square_a_saddle():
    tetrahedron = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / np.sqrt(3)
    certificate = prove_point(thomson(4), tetrahedron)
    assert certificate.find(IndexClaim).index == 0
    assert certificate.cost == pytest.approx(3.674234614, rel=1e-9)
    square = np.array([[1.0, 0, -1, 0], [0, 1, 0, -1], [0, 0, 0, 0]])
    saddle = prove_point(thomson(4), square)
    assert saddle.find(IndexClaim).index > 0
    assert saddle.find(StrictSaddleClaim).curvature < 0


def test_max_cut_of_a_triangle():
    instance = max_cut([[0, 1, 1], [0, 0, 1], [0, 0, 0]], 2)
    angles = 2 * np.pi * np.arange(3) / 3
    minimum = np.array([np.cos(angles), np.sin(angles)])
    certificate = prove_point(instance, minimum)
    assert certificate.find(IndexClaim).index == 0
    assert certificate.cost == pytest.approx(-1.5, abs=1e-12)
    cut = prove_point(instance, [[1, 1, -1], [0, 0, 0]])
    assert cut.find(IndexClaim).index > 0


def test_spurious_minimum_of_a_cycle_in_the_plane():
    # eight equal attractions around a cycle: the twisted state turns by an eighth a step and cannot untwist
    A = [[0] * 8 for _ in range(8)]
    for i in range(8):
        A[min(i, (i + 1) % 8)][max(i, (i + 1) % 8)] = -1
    instance = max_cut(A, 2)

    def winding(k):
        angles = 2 * np.pi * k * np.arange(8) / 8
        return np.array([np.cos(angles), np.sin(angles)])

    twisted = prove_point(instance, winding(1), lower=winding(0))
    assert twisted.find(IndexClaim).index == 0
    claim = twisted.find(SpuriousClaim)
    assert 0 < claim.margin < 8 * (1 - np.cos(np.pi / 4))
    assert prove_point(instance, winding(0), lower=winding(1)).find(SpuriousClaim) is None


@pytest.mark.parametrize("seed", range(3))
def test_points_that_are_not_critical_get_no_claim_of_existence(seed):
    X = np.random.default_rng(seed).standard_normal((3, 4))
    certificate = prove_point(thomson(4), X)
    assert certificate.find(CriticalClaim) is None
    assert certificate.find(IndexClaim) is None
    assert certificate.reason


def test_certificate_survives_the_round_trip(tmp_path):
    certificate = prove_point(fourth_powers(3), [[1], [0], [0]])
    write_certificate(tmp_path / "c.json", certificate)
    assert read_certificate(tmp_path / "c.json") == certificate


@pytest.mark.parametrize(
    "program",
    [
        (),
        (("gram", 0),),
        (("gram", 0, 2),),
        (("x", 2, 0),),
        (("gram", 0, 1), ("exp", 1)),
        (("gram", 0, 1), ("exp", -1)),
        (("gram", 0, 1), ("exp", True)),
        (("gram", 0, 1), ("add", 0)),
        (("gram", 0, 1), ("pow", 0, 1)),
        (("gram", 0, 1), ("pow", 0, 65)),
        (("gram", 0, 1), ("sin", 0)),
        (("const", 0.5),),
        (("const", "0.5"),),
        ((),),
    ],
)
def test_programs_that_the_format_does_not_have(program):
    with pytest.raises(InvalidInputError):
        ExpressionInstance(dim=2, columns=2, program=program)


def test_terms_of_two_costs_and_floats_are_refused():
    a, b = Cost(dim=2, columns=2), Cost(dim=2, columns=2)
    with pytest.raises(InvalidInputError, match="two different costs"):
        a.gram(0, 1) + b.gram(0, 1)
    with pytest.raises(InvalidInputError, match="Fraction"):
        a.gram(0, 1) * 0.5
    with pytest.raises(InvalidInputError, match="power"):
        a.gram(0, 1) ** 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda c: c.gram(0, 1) ** c.gram(0, 1), "power"),
        (lambda c: c.gram(0, 1) ** 2.5, "power"),
        (lambda c: c.gram(0, 1) + "one", "constant='one'"),
        (lambda c: c.gram(0, 1) + "1/0", "constant='1/0'"),
        (lambda c: c.gram(0, 1) + "1e999999999", "constant='1e999999999'"),
        (lambda c: exp(2), r"exp\(2\) must be of a term"),
        (lambda c: sqrt(np.float64(2)), "must be of a term"),
        (lambda c: c.instance(3), "term=3 must be made of"),
        (lambda c: c.instance(Cost(dim=3, columns=3).gram(0, 2)), "of this Cost"),
    ],
)
def test_what_is_no_term_gets_one_sentence(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make(Cost(dim=2, columns=2))


@pytest.mark.parametrize("columns", [(0,), (1, 0), (2, 0, 2), (3, 1, 0, 4, 2), range(9)])
def test_signed_volumes_are_determinants(columns):
    d, columns = len(columns), tuple(columns)
    cost = Cost(dim=d, columns=max(columns) + 1)
    problem = ExpressionProblem(instance=cost.instance(cost.det(*columns)))
    X = problem.spheres.random_point(0)
    assert problem.at(X).cost == pytest.approx(np.linalg.det(X[:, columns]), abs=1e-13)


def test_a_volume_of_many_columns_is_refused():
    with pytest.raises(InvalidInputError, match="at most 11"):
        Cost(dim=12, columns=12).det(*range(12))


def test_integers_of_numpy_are_integers():
    cost, two = Cost(dim=2, columns=2), np.arange(3)[2]
    theirs = cost.instance(cost.gram(*np.arange(2)) ** two - two)
    assert theirs == cost.instance(cost.gram(0, 1) ** 2 - 2)
    assert {type(part) for step in theirs.program for part in step[1:]} <= {int, str}


def test_what_a_cost_does_not_use_is_no_part_of_it():
    """Terms recorded for another cost would be evaluated, and undefined where this one is smooth."""
    shared, alone = Cost(dim=3, columns=3), Cost(dim=3, columns=3)
    1 / sqrt(2 - 2 * shared.gram(0, 1)) + shared.x(1, 2) ** 3
    instances = []
    for cost in (shared, alone):
        p, q = cost.gram(1, 2), cost.gram(0, 1)
        instances.append(cost.instance(exp(p) ** 3 - sqrt(2 + q) / (3 - p) + (-q)))
    X = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.6], [0.0, 0.0, 0.8]])
    costs = [ExpressionProblem(instance=instance).at(X) for instance in instances]
    assert len(instances[0].program) == len(instances[1].program)
    assert instances[0].is_orthogonally_invariant
    assert costs[0].cost == pytest.approx(costs[1].cost, rel=1e-12)
    np.testing.assert_allclose(costs[0].gradient, costs[1].gradient, atol=1e-12)


def on_the_boundary(function):
    """A cost of three columns that is not defined, or larger than any number, where two of them agree."""
    cost = Cost(dim=2, columns=3)
    return cost.instance(function(cost.gram(0, 1)))


@pytest.mark.parametrize("prove", [prove_point, prove_gap])
@pytest.mark.parametrize(
    "instance",
    [
        thomson(3, 2),
        on_the_boundary(lambda q: -log(1 - q)),
        on_the_boundary(lambda q: -sqrt(1 - q)),
        on_the_boundary(lambda q: exp(exp(600 * q))),
    ],
    ids=["thomson", "log", "sqrt", "exp"],
)
def test_a_singular_point_is_a_failed_proof(instance, prove):
    X = np.array([[1.0, 1.0, -1.0], [0.0, 0.0, 0.0]])
    certificate = prove(instance, X)
    assert certificate.claims == ()
    assert certificate.reason
    if prove is prove_point:
        assert "not finite" in certificate.reason


@pytest.mark.parametrize("n", [3, 5, 7])
def test_columns_whose_pulls_cancel_are_scaled_by_the_pulls(n):
    """On a ring a column between two opposite neighbours has no gradient at all; every sign pattern is critical."""
    cost = Cost(dim=2, columns=n)
    ring = cost.instance(-sum(cost.gram(i, (i + 1) % n) for i in range(n)))
    for k in range(1, n):
        certificate = prove_point(ring, [[1] * k + [-1] * (n - k), [0] * n])
        assert certificate.find(CriticalClaim) is not None


@pytest.mark.parametrize("kind", ["i1", "u2", "i8", "u8"])
def test_constants_made_of_numpys_integers_do_not_wrap_around(kind):
    most = np.iinfo(kind).max

    def program(number):
        cost = Cost(dim=2, columns=2)
        return cost.instance((cost.gram(0, 1) * Fraction(number, 3) + number) * Fraction(number, 7)).program

    assert program(np.iinfo(kind).dtype.type(most)) == program(int(most))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([[0, float("nan")], [0, 0]], "constant=nan must be"),
        ([[0, 0.5], [0, 0]], "constant=0.5 must be"),
        ([[0, "a"], [0, 0]], "constant='a' must be"),
        ([[0, 1], [0]], "2 rows of 2"),
        ([[0, 1]], "1 rows of 1"),
        ([[0, 0], [0, 0]], "must be made of gram"),
        ([], "columns=0 must be"),
    ],
)
def test_weights_of_cuts_that_are_none_are_refused(weights, message):
    with pytest.raises(InvalidInputError, match=message):
        max_cut(weights, 2)
