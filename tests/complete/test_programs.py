"""Own costs: derivatives, and complete lists that are known from elsewhere."""

import json

import numpy as np
import pytest
from test_prove_complete import status

from sphereufm import prove_complete, prove_landscape, verify_landscape
from sphereufm.certify.complete.arithmetic import Balls, point
from sphereufm.certify.complete.boxes import Zero
from sphereufm.certify.complete.check import check_complete_bytes
from sphereufm.certify.complete.coulomb import Coulomb, is_coulomb
from sphereufm.certify.complete.programs import ProgramEquations, is_homogeneous
from sphereufm.certify.complete.reading import Program, read_program
from sphereufm.certify.complete.symmetry import same
from sphereufm.certify.expressions import Cost, exp, fourth_powers, log, sqrt, thomson
from sphereufm.landscape.complete_list import completeness_of, is_benign
from sphereufm.problem.expressions.expression_problem import ExpressionProblem


def quadratic(n, constant=0, seed=0):
    """A quadratic form with a gap in its spectrum, and its matrix."""
    A = np.random.default_rng(seed).integers(-9, 10, (n, n))
    A = A + A.T
    cost = Cost(dim=n, columns=1)
    terms = [int(A[i, j]) * cost.x(i, 0) * cost.x(j, 0) for i in range(n) for j in range(n)]
    return cost.instance(sum(terms) + constant), A


def mixed():
    """A cost with every instruction."""
    cost = Cost(dim=3, columns=2)
    first = exp(cost.gram(0, 1)) * cost.x(0, 0) + cost.x(1, 1) ** 3 / (3 + cost.x(2, 0))
    return cost.instance(first + log(2 + cost.gram(0, 1)) * sqrt(3 - cost.x(0, 1)) - cost.gram(1, 1))


def ring(n):
    """Oscillators in a ring."""
    cost = Cost(dim=2, columns=n)
    return cost.instance(sum(-1 * cost.gram(i, (i + 1) % n) for i in range(n)))


def program(instance):
    return read_program(instance.to_json())


CASES = [(mixed(), ((0, 1), (2, -1))), (quadratic(4)[0], ((3, -1),)), (ring(4), ())]


@pytest.mark.parametrize(("instance", "faces"), CASES)
def test_derivatives_agree_with_differences(instance, faces):
    equations = ProgramEquations(program(instance), faces)
    x = np.random.default_rng(0).uniform(-0.9, 0.9, (3, equations.variables))
    J = equations.evaluate(point(x))[1].m

    def values(x):
        return equations.evaluate(point(x), False)[0].m

    def error(h):
        steps = h * np.eye(equations.variables)
        return np.abs(np.stack([(values(x + s) - values(x - s)) / (2 * h) for s in steps], 2) - J).max()

    assert error(1e-4) < max(0.3 * error(2e-4), 1e-9)
    assert error(1e-4) < 1e-5


@pytest.mark.parametrize(("instance", "faces"), CASES)
def test_boxes_hold_the_values_and_derivatives_of_their_points(instance, faces):
    equations = ProgramEquations(program(instance), faces)
    rng = np.random.default_rng(1)
    m = rng.uniform(-0.7, 0.7, (200, equations.variables))
    r = rng.uniform(0, 0.3, m.shape)
    F, J = equations.evaluate(Balls(m, r))
    for _ in range(5):
        x = m + rng.uniform(-1, 1, m.shape) * r
        f, j = equations.evaluate(point(x))
        assert (np.abs(f.m - F.m) <= F.r + 1e-12).all()
        assert (np.abs(j.m - J.m) <= J.r + 1e-12).all()


@pytest.mark.parametrize("constant", [0, 1])
def test_eigenvectors_are_all_critical_points_of_a_quadratic_form(constant):
    instance, A = quadratic(3, constant)
    # homogeneous or not, the points are the same
    assert is_homogeneous(program(instance)) != bool(constant)
    found = prove_complete(instance)
    assert found.status.name == "PROVED"
    vectors = np.linalg.eigh(A)[1].T
    expected = sorted([*vectors.tolist(), *(-vectors).tolist()])
    assert np.array(sorted(X[:, 0].tolist() for X in found.points)) == pytest.approx(
        np.array(expected), abs=1e-9
    )
    assert found.costs == pytest.approx(np.repeat(np.linalg.eigvalsh(A) + constant, 2), abs=1e-9)


def test_degrees_are_not_compared_where_floats_round_them():
    cost = Cost(dim=3, columns=1)
    term = cost.x(0, 0)
    for nested in range(9):
        assert is_homogeneous(program(cost.instance(term + term * 1))) == (nested < 7)
        assert not is_homogeneous(program(cost.instance(term + term * cost.x(1, 0))))
        term = term**64


@pytest.mark.slow
def test_singular_vectors_are_all_critical_points_of_a_bilinear_form():
    B = np.array([[3, 1, 0], [0, 2, 1], [1, 0, -4]])
    cost = Cost(dim=3, columns=2)
    terms = [int(B[i, j]) * cost.x(i, 0) * cost.x(j, 1) for i in range(3) for j in range(3) if B[i, j]]
    found = prove_complete(cost.instance(sum(terms)))
    values = np.linalg.svd(B, compute_uv=False)
    assert found.status.name == "PROVED"
    assert found.costs == pytest.approx(sorted([*values, *values, *-values, *-values]), abs=1e-9)


@pytest.fixture(scope="module")
def cube():
    return prove_complete(fourth_powers(3))


def test_fourth_powers_have_a_point_for_each_face_of_a_cube(cube):
    assert (cube.status.name, len(cube.points)) == ("PROVED", 3**3 - 1)


def test_a_ring_of_three_has_the_points_that_phases_allow():
    # all alike, three with one turned by pi, and the twisted state with its mirror image
    found = prove_complete(ring(3))
    assert found.status.name == "PROVED"
    assert found.costs == pytest.approx([-3, 1, 1, 1, 1.5])


def test_a_continuum_ends_undecided_with_its_region():
    found = prove_complete(ring(4), most_boxes=4000)
    assert found.status.name == "UNDECIDED"
    assert "chart 1 of 1: " in found.region
    assert "boxes are left, angle of x_2 in [" in found.region
    assert found.left.low.shape == found.left.high.shape == (len(found.left.low), 3)


def many_columns():
    """Too many charts."""
    cost = Cost(dim=5, columns=9)
    return cost.instance(cost.x(0, 8))


def one_column():
    """No unknowns."""
    cost = Cost(dim=2, columns=1)
    return cost.instance(cost.gram(0, 0))


@pytest.mark.parametrize("instance", [thomson(5), many_columns(), one_column()])
def test_what_cannot_be_searched_says_why(instance):
    found = prove_complete(instance)
    assert (found.status.name, found.certificate) == ("UNDECIDED", None)


def test_a_cost_that_is_not_defined_everywhere_is_no_accident():
    cost = Cost(dim=3, columns=1)
    found = prove_complete(cost.instance(log(cost.x(0, 0)) + cost.x(1, 0)), most_boxes=2000)
    assert found.status.name == "UNDECIDED"


def coulomb(order):
    """Four charges, pair by pair in some order."""
    cost = Cost(dim=3, columns=4)
    pairs = np.random.default_rng(order).permutation([(i, j) for j in range(4) for i in range(j)])
    return cost.instance(sum(1 / sqrt(2 - cost.gram(int(j), int(i)) * 2) for i, j in pairs))


def test_four_charges_are_recognised_in_any_order_and_nothing_else_is():
    assert all(is_coulomb(program(instance)) for instance in (thomson(4), coulomb(0), coulomb(1)))
    others = [thomson(3), thomson(5), thomson(4, 4), quadratic(3)[0], mixed()]
    program_ = thomson(4).to_json()["program"]
    for k, step in enumerate(program_):
        if step[0] == "const":
            others.append(replace_step(k, ["const", "3"]))
        if step[0] == "gram":
            others.append(replace_step(k, ["gram", 0, 0]))
    assert not any(is_coulomb(p if isinstance(p, Program) else program(p)) for p in others)


def replace_step(k, step):
    """The energy of four charges with another instruction."""
    data = thomson(4).to_json()
    data["program"][k] = step
    return read_program(data)


def test_the_chart_of_four_charges_has_their_energy_and_its_derivatives():
    equations, h = Coulomb(), 1e-5
    x = np.random.default_rng(0).uniform(0.5, 2, (5, 5))
    F, J = (part.m for part in equations.evaluate(point(x)))
    steps = h * np.eye(5)
    costs = np.array([[equations.cost(point(x + s)).m - equations.cost(point(x - s)).m for s in steps]])[0]
    assert costs.T / h == pytest.approx(F, rel=1e-6, abs=1e-6)
    slopes = [equations.evaluate(point(x + s))[0].m - equations.evaluate(point(x - s))[0].m for s in steps]
    assert np.stack(slopes, 2) / (2 * h) == pytest.approx(J, rel=1e-6, abs=1e-6)
    for row in x:
        X = equations.place(row)
        gaps = np.linalg.norm(X[:, :, None] - X[:, None], axis=0)[np.triu_indices(4, 1)]
        assert equations.cost(point(row[None])).m[0] == pytest.approx((1 / gaps).sum())
        assert np.linalg.norm(X, axis=0) == pytest.approx(1)


def test_closest_pairs_are_not_trimmed_away():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 3, 4))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    for points in X:
        apart = np.linalg.norm(points[:, :, None] - points[:, None], axis=0) + 9 * np.eye(4)
        i, j = np.unravel_index(apart.argmin(), (4, 4))
        if apart.min() < 0.51:
            continue
        order = [i, j, *(k for k in range(4) if k not in (i, j))]
        # north at the first point: rotate by a QR frame, then project
        frame = np.linalg.qr(points[:, [i, j, order[2]]])[0][:, [1, 2, 0]]
        frame *= np.sign([frame[:, 0] @ points[:, j], 1, frame[:, 2] @ points[:, i]])
        turned = frame.T @ points[:, order[1:]]
        y = turned[:2] / (1 - turned[2])
        a, b = sorted((y[:, 1], y[:, 2]), key=lambda v: -abs(v[1]))
        x = np.array([[y[0, 0], *(np.array([a, b]) * [1, np.sign(a[1])]).ravel()]])
        assert abs(y[1, 0]) < 1e-9
        assert not equations_drop(x)


def equations_drop(x):
    """Whether small boxes around points are dropped."""
    return Coulomb().trim(x - 1e-9, x + 1e-9)[0].any()


@pytest.mark.slow
def test_four_charges_have_a_tetrahedron_and_a_square():
    found = prove_complete(coulomb(2))
    assert found.status.name == "PROVED"
    assert found.costs == pytest.approx([6 / np.sqrt(8 / 3), 4 / np.sqrt(2) + 1])
    data = json.loads(found.certificate)
    assert status({**data, "orbits": data["orbits"][1:]}) == "UNDECIDED"
    assert status({**data, "orbits": [[pair for orbit in data["orbits"] for pair in orbit]]}) == "UNDECIDED"
    # of labelled points, of which no symmetry was declared, every one is one of these two
    problem = ExpressionProblem(instance=thomson(4))
    report = prove_landscape(verify_landscape(problem, starts=8))
    known, notes = completeness_of(problem, report.critical, found)
    assert (known.decides, notes) == (True, [])
    assert is_benign(problem, report.critical, known)


@pytest.fixture(scope="module")
def certificate():
    return json.loads(prove_complete(quadratic(3)[0]).certificate)


def test_a_changed_certificate_is_not_accepted(certificate):
    assert status(certificate) == "PROVED"
    searches, orbits = certificate["searches"], certificate["orbits"]
    cost = {**certificate["instance"], "program": [*certificate["instance"]["program"], ["exp", 0]]}
    for change in (
        {"searches": searches[1:]},
        {"searches": [searches[1], searches[0], *searches[2:]]},
        {"orbits": orbits[1:]},
        {"orbits": [orbits[0] + orbits[1], *orbits[2:]]},
        {"instance": cost},
        {"method": "two-classes"},
    ):
        assert status({**certificate, **change}) != "PROVED", change.keys()


def test_zeros_on_several_faces_cannot_be_counted_twice(cube):
    data = json.loads(cube.certificate)
    several = next(n for n, orbit in enumerate(data["orbits"]) if len(orbit) > 1)
    members = data["orbits"].pop(several)
    data["orbits"] += [members[:1], members[1:]]
    result = check_complete_bytes(json.dumps(data).encode())
    assert (result.status, result.text) == ("UNDECIDED", "two orbits are not proved to differ")


def test_coordinates_of_a_face_do_not_count_modulo_a_turn():
    near = Zero(point=np.array([0.02]), radius=0.5, reach=1e-9)
    turned = point(np.array([[0.02 + 2 * np.pi]]))
    assert same(turned, near, np.array([True])).all()
    assert not same(turned, near, np.array([False])).any()
