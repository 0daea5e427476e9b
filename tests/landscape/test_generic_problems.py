"""Problems of other origin, brought in from Pymanopt, whose critical points are known."""

import itertools
from math import comb

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest
from own_problems import fourth_powers, numpy_problem

from sphereufm.errors import UnreadableFileError
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.landscape.points import CriticalFamily, CriticalPointKind, LandscapeVerdict
from sphereufm.landscape.report.landscape_report import load_report
from sphereufm.landscape.search.effort import Effort
from sphereufm.landscape.verify import verify_landscape
from sphereufm.problem.pymanopt.from_pymanopt import from_pymanopt

KIND = CriticalPointKind


def rayleigh(values):
    A = np.diag(values)
    return numpy_problem(
        pymanopt.manifolds.Sphere(len(values)),
        lambda x: x @ A @ x,
        lambda x: 2.0 * A @ x,
        lambda x, u: 2.0 * A @ u,
    )


def quadratic_in_gram(d, C, permutations=False):
    """``sum C_ij <x_i, x_j> / 2`` on the oblique manifold: max-cut, Kuramoto, phase synchronisation."""
    n = len(C)
    group = SymmetryGroup.full(n) if permutations else SymmetryGroup.rotations(n)
    return numpy_problem(
        pymanopt.manifolds.Oblique(d, n),
        lambda X: 0.5 * (C * (X.T @ X)).sum(),
        lambda X: X @ C,
        lambda X, U: U @ C,
        group,
    )


def thomson(n):
    """Coulomb energy of ``n`` equal charges on the sphere."""
    manifold = pymanopt.manifolds.Oblique(3, n)
    upper = np.triu_indices(n, 1)

    @pymanopt.function.autograd(manifold)
    def energy(X):
        return anp.sum(1.0 / anp.sqrt(2.0 - 2.0 * (X.T @ X)[upper]))

    return from_pymanopt(pymanopt.Problem(manifold, energy), SymmetryGroup.full(n))


def cycle(n):
    C = np.zeros((n, n))
    C[np.arange(n), (np.arange(n) + 1) % n] = 1.0
    return C + C.T


@pytest.mark.parametrize("values", [(1.0, 2.0, 3.0), (-1.0, 0.0, 0.5, 2.0, 7.0)])
def test_rayleigh_quotient_has_one_pair_a_value_with_its_place_as_index(values):
    report = verify_landscape(rayleigh(values), effort=Effort.QUICK)
    found = [(entry.cost, entry.morse_index, entry.nullity) for entry in report.critical]
    expected = [(value, index, 0) for index, value in enumerate(values) for _ in range(2)]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    kinds = [entry.kind for entry in report.critical]
    assert kinds[:2] == [KIND.LOCAL_MINIMUM] * 2
    assert set(kinds[2:]) == {KIND.STRICT_SADDLE}
    assert report.verdict is LandscapeVerdict.UNDECIDED


@pytest.mark.parametrize("n", [3, 4, pytest.param(5, marks=pytest.mark.slow)])
def test_fourth_powers_have_all_their_critical_points(n):
    """``k`` entries ``+-1/sqrt(k)``, the others zero: value ``1/k``, index ``n - k``."""
    report = verify_landscape(fourth_powers(n))
    assert len(report.critical) == 3**n - 1
    for k in range(1, n + 1):
        level = [entry for entry in report.critical if abs(entry.cost - 1.0 / k) < 1e-9]
        assert len(level) == comb(n, k) * 2**k
        assert {(entry.morse_index, entry.nullity) for entry in level} == {(n - k, 0)}


@pytest.mark.parametrize(
    ("n", "values"),
    [
        (2, [0.5]),
        (3, [1.7320508076]),
        (4, [3.6742346142, 3.8284271247]),
        (5, [6.4746914947, 6.4836605]),
    ],
)
def test_thomson_problem(n, values):
    """Antipodes, triangle, tetrahedron before the square, bipyramid before the square pyramid."""
    report = verify_landscape(thomson(n), starts=24)
    lowest = [entry.cost for entry in report.critical[: len(values)]]
    np.testing.assert_allclose(lowest, values, atol=1e-6)
    assert report.critical[0].kind is KIND.LOCAL_MINIMUM
    assert all(entry.morse_index > 0 for entry in report.critical[1 : len(values)])


@pytest.mark.parametrize("d", [2, 3])
def test_max_cut_of_the_pentagon_on_the_elliptope(d):
    """The relaxation's value is ``5 cos(4 pi / 5)``, reached in the plane; every sign pattern is critical."""
    report = verify_landscape(quadratic_in_gram(d, cycle(5)), starts=96)
    assert report.critical[0].cost == pytest.approx(5.0 * np.cos(0.8 * np.pi), abs=1e-10)
    assert report.critical[0].rank == 2
    assert report.critical[0].kind is KIND.LOCAL_MINIMUM
    assert report.rank_one.orbits == report.rank_one.listed == 2**4
    cuts = sorted(round(entry.cost) for entry in report.critical if entry.rank == 1)
    assert cuts == [-3] * 5 + [1] * 10 + [5]


def ring_equilibria(n):
    """Energies of all equilibria of ``-sum cos(difference)`` on a ring, rotations and reflection divided out.

    Every difference is ``a`` or ``pi - a``; with ``k`` of the latter the sum is a multiple of ``2 pi``.
    """
    energies = []
    for k in range(n + 1):
        for m in range(-n, n + 1):
            a = np.pi * (2 * m - k) / (n - 2 * k)
            if -np.pi / 2 < a < np.pi / 2:
                copies = comb(n, k)
                energies += [round(-(n - 2 * k) * np.cos(a), 9)] * copies
    straight = sum(comb(n, k) for k in range(0, n + 1, 2))
    # a reflection changes the sign of a, and leaves the straight ones (a = 0) alone
    return len(energies), (len(energies) - straight) // 2 + straight, set(energies)


@pytest.mark.parametrize("n", [3, 5])
def test_kuramoto_oscillators_on_a_ring(n):
    """Three oscillators have six equilibria modulo rotation (Mehta, Daleo, Dörfler and Hauenstein, Chaos 2015)."""
    equilibria, classes, energies = ring_equilibria(n)
    if n == 3:
        assert equilibria == 6
    report = verify_landscape(quadratic_in_gram(2, -cycle(n)), starts=256)
    assert len(report.critical) == classes
    assert {round(entry.cost, 9) + 0.0 for entry in report.critical} == {e + 0.0 for e in energies}
    assert all(entry.nullity == 0 for entry in report.critical)


def test_phase_synchronisation_without_noise_has_a_curve_of_maximisers():
    """``-sum cos(t_i - t_j)`` over all pairs of four: two sign patterns, and the rhombi ``(x, y, -x, -y)``."""
    report = verify_landscape(quadratic_in_gram(2, np.eye(4) - 1.0, permutations=True), starts=48)
    np.testing.assert_allclose([entry.cost for entry in report.critical], [-6.0, 0.0, 2.0], atol=1e-9)
    family = report.critical[2]
    assert isinstance(family, CriticalFamily)
    assert family.name == "nonisolated-1"
    assert family.rank == (1, 2)
    assert family.morse_index == (1, 2)
    assert family.kind is KIND.STRICT_SADDLE


def test_family_of_minimisers_is_not_taken_for_a_counterexample():
    """``sum cos(t_i - t_j)``: the rhombi are the global minimisers."""
    report = verify_landscape(quadratic_in_gram(2, 1.0 - np.eye(4), permutations=True), starts=48)
    family = report.critical[0]
    assert isinstance(family, CriticalFamily)
    assert family.kind is KIND.LOCAL_MINIMUM
    assert report.verdict is LandscapeVerdict.UNDECIDED


def test_declared_permutations_merge_what_they_relate():
    loose = verify_landscape(quadratic_in_gram(2, -cycle(3)), starts=64)
    merged = verify_landscape(quadratic_in_gram(2, -cycle(3), permutations=True), starts=64)
    assert [len(loose.critical), len(merged.critical)] == [5, 3]
    assert {round(e.cost, 9) for e in loose.critical} == {round(e.cost, 9) for e in merged.critical}


def test_report_of_a_users_own_problem(tmp_path):
    report = verify_landscape(rayleigh((1.0, 2.0)), starts=12)
    data = report.to_json()
    assert data["problem"]["dims"] == [2]
    assert data["theorem"]["applies"] is False
    path = tmp_path / "landscape.json"
    report.save(path)
    with pytest.raises(UnreadableFileError, match="user's own problem"):
        load_report(path)
    again = load_report(path, problem=rayleigh((1.0, 2.0)))
    assert [entry.cost for entry in again.critical] == [entry.cost for entry in report.critical]
    assert again.to_json() == data
    with pytest.raises(
        UnreadableFileError, match=r"spheres of dimensions \(3,\), but the report is of \[2\]"
    ):
        load_report(path, problem=rayleigh((1.0, 2.0, 3.0)))
    for another in ((1.0, 2.001), (2.0, 4.0)):
        with pytest.raises(UnreadableFileError, match="where the report has"):
            load_report(path, problem=rayleigh(another))


def test_products_of_spheres_of_different_size():
    """``x^T A y`` on S^1 x S^2: one pair of saddles or extremes for each singular vector, and their signs."""
    manifold = pymanopt.manifolds.Product([pymanopt.manifolds.Sphere(2), pymanopt.manifolds.Sphere(3)])
    A = np.array([[3.0, 0.0, 0.0], [0.0, 1.0, 0.0]])

    @pymanopt.function.autograd(manifold)
    def cost(x, y):
        return x @ A @ y

    report = verify_landscape(from_pymanopt(pymanopt.Problem(manifold, cost)), starts=64)
    found = [(round(entry.cost, 9), entry.morse_index) for entry in report.critical]
    assert found == list(
        itertools.chain(*([(v, i)] * 2 for v, i in ((-3.0, 0), (-1.0, 1), (1.0, 2), (3.0, 3))))
    )
