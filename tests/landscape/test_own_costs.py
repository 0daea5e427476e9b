"""Costs of unknown make, steep, flat, degenerate, scaled and shifted: each kind with the right answer at random."""

import itertools

import numpy as np
import pymanopt
import pytest
from own_problems import numpy_problem
from scipy.stats import ortho_group

from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.landscape.orbits.collection import Collection
from sphereufm.landscape.orbits.found import Found
from sphereufm.landscape.orbits.lower import is_lower
from sphereufm.landscape.orbits.register import OrbitRegister
from sphereufm.landscape.orbits.settle import settle
from sphereufm.landscape.points import CriticalFamily, CriticalPointKind, LandscapeVerdict
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.landscape.verify import verify_landscape
from sphereufm.spectra.curvature_signs import curvature_signs

KIND = CriticalPointKind


def monomials(powers, weights, seed=None, unit=1.0, constant=0.0):
    """``constant + unit sum_i w_i y_i^p_i`` with ``y`` a rotated point of the sphere."""
    n = len(powers)
    Q = np.eye(n) if seed is None else ortho_group.rvs(n, random_state=seed)
    p, w = np.array(powers), unit * np.array(weights)

    def curvature(x, u):
        return Q.T @ (w * p * (p - 1) * (Q @ x) ** np.maximum(p - 2, 0) * (Q @ u))

    return numpy_problem(
        pymanopt.manifolds.Sphere(n),
        lambda x: constant + (w * (Q @ x) ** p).sum(),
        lambda x: Q.T @ (w * p * (Q @ x) ** (p - 1)),
        curvature,
    )


def pair_energies(n, steepness):
    """``sum exp(s <x_i, x_j>)``, whose values run over e^(2 s)."""
    pairs = np.triu_indices(n, 1)

    def weights(X):
        E = np.zeros((n, n))
        E[pairs] = np.exp(steepness * (X.T @ X)[pairs])
        return E + E.T

    def hessian(X, U):
        E = weights(X)
        change = U.T @ X
        return steepness * U @ E + steepness**2 * X @ (E * (change + change.T))

    return numpy_problem(
        pymanopt.manifolds.Oblique(3, n),
        lambda X: 0.5 * weights(X).sum(),
        lambda X: steepness * X @ weights(X),
        hessian,
        SymmetryGroup.full(n),
    )


def charges(n):
    """Coulomb energy, infinite where two charges meet."""
    off = 1.0 - np.eye(n)

    def inverse(X, power):
        D = 2.0 - 2.0 * X.T @ X
        return np.divide(off, np.maximum(D, 0.0) ** (0.5 * power), out=np.zeros((n, n)), where=off > 0.0)

    def hessian(X, U):
        change = U.T @ X
        return U @ inverse(X, 3) + 3.0 * X @ (inverse(X, 5) * (change + change.T))

    return numpy_problem(
        pymanopt.manifolds.Oblique(3, n),
        lambda X: 0.5 * inverse(X, 1).sum(),
        lambda X: X @ inverse(X, 3),
        hessian,
        SymmetryGroup.full(n),
    )


def rows(report):
    return sorted((entry.kind.name, entry.morse_index, entry.nullity) for entry in report.critical)


@pytest.mark.parametrize(
    ("seed", "unit", "constant"), [(None, 1.0, 0.0), (0, 1e-300, 0.0), (1, 1e300, 0.0), (1, 1.0, 1e13)]
)
def test_saddle_of_fourth_order_is_listed_once_and_degenerate(seed, unit, constant):
    """``x^4 - y^4`` on the sphere: two minima, two maxima, two flat poles."""
    problem = monomials((4, 4, 4), (1.0, -1.0, 0.0), seed, unit, constant)
    report = verify_landscape(problem, effort="quick", starts=96)
    assert rows(report) == sorted(
        [("LOCAL_MINIMUM", 0, 0)] * 2 + [("DEGENERATE", 0, 2)] * 2 + [("STRICT_SADDLE", 2, 0)] * 2
    )
    # the poles are neither global minimisers nor strict saddles, whatever is added to the cost
    assert report.verdict is LandscapeVerdict.NOT_BENIGN


@pytest.mark.parametrize(
    ("power", "seed"), [(4, None), (4, 2), pytest.param(6, None, marks=pytest.mark.slow)]
)
def test_flat_minimum_is_no_counterexample_against_copies_of_itself(power, seed):
    """``x^p + y^p``: the poles are the global minimisers, though no second derivative shows it."""
    report = verify_landscape(monomials((power,) * 3, (1.0, 1.0, 0.0), seed), effort="quick", starts=112)
    assert rows(report) == sorted(
        [("DEGENERATE", 0, 2)] * 2 + [("STRICT_SADDLE", 1, 0)] * 4 + [("STRICT_SADDLE", 2, 0)] * 4
    )
    assert report.verdict is LandscapeVerdict.UNDECIDED


@pytest.mark.parametrize("seed", range(3))
def test_poles_of_the_monkey_saddle_are_degenerate(seed):
    Q = ortho_group.rvs(3, random_state=seed)

    def gradient(x):
        a, b, _ = Q @ x
        return Q.T @ np.array([3.0 * (a * a - b * b), -6.0 * a * b, 0.0])

    def hessian(x, u):
        (a, b, _), (p, q, _) = Q @ x, Q @ u
        return Q.T @ (6.0 * np.array([a * p - b * q, -b * p - a * q, 0.0]))

    problem = numpy_problem(
        pymanopt.manifolds.Sphere(3),
        lambda x: (Q @ x)[0] ** 3 - 3.0 * (Q @ x)[0] * (Q @ x)[1] ** 2,
        gradient,
        hessian,
    )
    report = verify_landscape(problem, effort="quick")
    assert rows(report) == sorted(
        [("LOCAL_MINIMUM", 0, 0)] * 3 + [("DEGENERATE", 0, 2)] * 2 + [("STRICT_SADDLE", 2, 0)] * 3
    )


@pytest.mark.parametrize("steepness", [3.0, 1e3, 1e6, 1e9, 1e12])
@pytest.mark.parametrize("seed", [None, 3])
def test_soft_directions_beside_steep_ones_keep_their_signs(steepness, seed):
    report = verify_landscape(monomials((2, 2, 2), (1.0, 2.0, steepness), seed), effort="quick", starts=48)
    found = [(entry.morse_index, entry.nullity) for entry in report.critical]
    assert found == [(0, 0)] * 2 + [(1, 0)] * 2 + [(2, 0)] * 2
    np.testing.assert_allclose(
        [entry.cost for entry in report.critical],
        np.repeat([1.0, 2.0, steepness], 2),
        rtol=1e-9,
        atol=1e-9 + 1e-15 * steepness,
    )


@pytest.mark.parametrize("steepness", [1.0, 40.0])
def test_what_is_listed_of_a_steep_cost_is_critical(steepness):
    """Four points that repel each other: the tetrahedron, and nothing spurious, however steep."""
    report = verify_landscape(pair_energies(4, steepness), effort="quick", starts=9)
    minima = [entry for entry in report.critical if entry.morse_index == 0 and entry.nullity == 0]
    assert [entry.cost / np.exp(-steepness / 3.0) for entry in minima] == pytest.approx([6.0])
    assert report.verdict is LandscapeVerdict.UNDECIDED


def test_without_any_derivative_all_points_are_one_family():
    report = verify_landscape(monomials((2, 2, 2), (0.0, 0.0, 0.0), constant=3.0), effort="quick", starts=12)
    assert [(entry.name, entry.cost) for entry in report.critical] == [("nonisolated-2", 3.0)]
    assert report.verdict is LandscapeVerdict.UNDECIDED


def test_coinciding_charges_are_no_critical_points():
    """Rounding makes the energy finite there and the tangential gradient zero."""
    problem = charges(4)
    X = problem.spheres.random_point(0, (6,))
    X[::2, :, 1] = X[::2, :, 0]
    search = find_critical_points(problem, X)
    collection = Collection(problem)
    collection.enter(search.X[search.converged])
    entries = collection.classified(lambda *step: None)
    assert {round(entry.cost, 6) for entry in entries} <= {3.674235, 3.828427}


@pytest.mark.parametrize("order", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("seed", range(4))
def test_points_settle_within_the_uncertainty_they_report(order, seed):
    """Beside ``y_1^p + w y_2^2`` at ``e_3``, of order ``p``: the distance left is given, the sign only for p = 2."""
    rng = np.random.default_rng(seed)
    weight = 10.0 ** rng.uniform(-6.0, 6.0)
    problem = monomials((order, 2, 2), (1.0, weight, 0.0), seed)
    pole = ortho_group.rvs(3, random_state=seed).T[:, 2:]
    X = pole + 1e-4 * rng.standard_normal((3, 1))
    settled = settle(problem, X / np.linalg.norm(X))
    assert settled is not None
    assert np.linalg.norm(settled.X - pole) <= settled.uncertainty + 1e-7
    assert settled.flat == int(order > 2)


@pytest.mark.parametrize(("values", "dimensions"), [((1, 1, 2, 2, 3), (1, 1))])
def test_families_are_recognised_while_searching(values, dimensions):
    """A multiple eigenvalue is a sphere of critical points: one row, whose hits count, and coverage that ends."""
    report = verify_landscape(monomials((2,) * 5, values, 7), effort="standard")
    families = [entry for entry in report.critical if isinstance(entry, CriticalFamily)]
    assert [family.name for family in families] == [f"nonisolated-{k}" for k in dimensions]
    assert [family.nullity for family in families] == [(k, k) for k in dimensions]
    assert all(family.hits > 10 for family in families)
    (coverage,) = report.coverage.values()
    assert coverage.starts <= 256
    assert coverage.unseen_bound < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_signs_are_decided_just_where_floats_can_tell(seed):
    rng = np.random.default_rng(seed)
    curvatures = rng.choice([-1.0, 1.0], 5) * 10.0 ** rng.uniform(-9.0, 9.0, 5)
    problem = monomials((2,) * 6, (*curvatures, 0.0), seed)
    Q = ortho_group.rvs(6, random_state=seed)
    found = curvature_signs(problem, Q.T[:, 5:], Q[:5, :, None])
    decided = np.abs(curvatures) > 1e-9 * np.abs(curvatures).max()
    np.testing.assert_array_equal(found.signs[decided], np.sign(curvatures[decided]))
    assert set(found.signs[~decided] * np.sign(curvatures[~decided])) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("unit", "constant"),
    [*itertools.product([1e-300, 1.0, 1e300], [0.0, 1.0, 1e7]), (1.0, 1e13), (1e290, 1e13)],
)
@pytest.mark.parametrize("seed", range(2))
def test_lower_is_blind_to_constants_and_units(unit, constant, seed):
    problem = monomials((2, 2, 2), (1.0, 1.001, 3.0), seed, unit, constant * unit)
    a, b, c = ortho_group.rvs(3, random_state=seed).reshape(3, 3, 1)
    assert is_lower(problem, a, b)
    assert is_lower(problem, b, c)
    assert not is_lower(problem, b, a)
    assert not is_lower(problem, a, -a)
    assert not is_lower(problem, a + 1e-9 * b, a)


@pytest.mark.parametrize("radius", [0.0, 0.05, 0.2, 3.0])
def test_points_known_to_any_radius_are_compared(radius):
    """Copies are one orbit, however little is known of each; what is far apart stays two."""
    rng = np.random.default_rng(0)
    columns = (
        [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-0.8, 0.6]],
        [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]],
    )
    X, Y = (np.array(rows).T for rows in columns)
    copies = [ortho_group.rvs(2, random_state=rng) @ X[:, rng.permutation(4)] for _ in range(4)]
    found = [Found(X=Z, rank=2, cost=1.0, radius=radius) for Z in (*copies, Y)]
    assert OrbitRegister(SymmetryGroup.full(4)).enter(found) == [0, 0, 0, 0, 1]
