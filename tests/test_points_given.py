"""Points that a user hands to a public function: the same kinds are taken and refused everywhere."""

import re

import numpy as np
import pymanopt
import pytest
from own_problems import fourth_powers, numpy_problem

import sphereufm
from sphereufm.errors import InvalidInputError

PROBLEM = sphereufm.UFMProblem(class_sizes=(2, 1), dim=3, tau=1.0)
X = PROBLEM.spheres.random_point(0)
TAKES = {
    "hessian_spectrum": lambda problem, X: sphereufm.hessian_spectrum(problem, X).eigenvalues,
    "hessian_extreme": lambda problem, X: sphereufm.hessian_extreme(problem, X).eigenvalues,
    "find_critical_points": lambda problem, X: (
        sphereufm.find_critical_points(problem, X if X is None else [X], max_iterations=2).X
    ),
    "solve": lambda problem, X: sphereufm.solve(problem, X).cost,
    "optimality_gap": lambda problem, X: sphereufm.optimality_gap(problem, X).value,
    "check_gradient": lambda problem, X: float(sphereufm.check_gradient(problem, X)),
    "check_hessian": lambda problem, X: float(sphereufm.check_hessian(problem, X)),
    "initial_points": lambda problem, X: [
        entry.cost for entry in sphereufm.verify_landscape(problem, starts=1, initial_points=[X]).critical
    ],
}
BAD = {
    "not a number": np.where(np.eye(3, 5) > 0, np.nan, X),
    "infinite": np.where(np.eye(3, 5) > 0, np.inf, X),
    "zero": np.where([True, False, False, False, False], 0.0, X),
    "not unit": 2.0 * X,
    "columns": X[:, :4],
    "rows": np.vstack([X, 0.0 * X[:1]]),
    "vector": X[0],
    "stack": X[None],
    "empty": X[:0],
    "complex": X * 1j,
    "text": "X",
    "ragged": [[1.0], [0.6, 0.8]],
}


@pytest.mark.parametrize("name", TAKES)
@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_point_is_refused_everywhere(name, kind):
    with pytest.raises(InvalidInputError):
        TAKES[name](PROBLEM, BAD[kind])


@pytest.mark.parametrize("shape", [(1, 3, 5), (2, 3, 5), (4, 5), (0, 5)])
def test_an_initial_point_of_another_shape_is_told_its_own_and_what_is_needed(shape):
    with pytest.raises(
        InvalidInputError, match=re.escape(f"{shape}, but one point (r, 5), 1 <= r <= 3, is needed")
    ):
        sphereufm.verify_landscape(PROBLEM, starts=1, initial_points=[np.ones(shape)])


@pytest.mark.parametrize("name", [name for name in TAKES if not name.startswith("check")])
def test_lists_other_orders_and_precisions_are_points(name):
    single = X.astype(np.float32)
    exact = np.float64(single) / np.linalg.norm(np.float64(single), axis=0)
    wanted = TAKES[name](PROBLEM, exact)
    for given in (exact.tolist(), exact.astype(">f8"), np.asfortranarray(exact), exact[::-1][::-1]):
        np.testing.assert_allclose(TAKES[name](PROBLEM, given), wanted, rtol=1e-6, atol=1e-9)
    if name != "find_critical_points":  # a list of arrays in single precision is one in double
        np.testing.assert_allclose(TAKES[name](PROBLEM, single), wanted, rtol=1e-6, atol=1e-9)


def test_rows_that_a_smaller_sphere_does_not_use_are_zero():
    product = pymanopt.manifolds.Product([pymanopt.manifolds.Sphere(3), pymanopt.manifolds.Sphere(2)])
    problem = numpy_problem(
        product,
        lambda x, y: x[0] * y[0],
        lambda x, y: [np.array([y[0], 0.0, 0.0]), np.array([x[0], 0.0])],
        lambda x, y, u, v: [np.array([v[0], 0.0, 0.0]), np.array([u[0], 0.0])],
    )
    point = np.array([[1.0, 0.0], [0.0, 0.6], [0.0, 0.8]])
    for name in ("hessian_spectrum", "hessian_extreme", "find_critical_points", "solve", "initial_points"):
        with pytest.raises(InvalidInputError, match="does not use"):
            TAKES[name](problem, point)


@pytest.mark.parametrize(
    "name", ["verify_landscape", "plan_landscape", "solve", "check_gradient", "prove_complete"]
)
def test_a_pymanopt_problem_is_taken_as_it_is_and_what_is_no_problem_refused(name):
    problem = fourth_powers(2).problem
    function = getattr(sphereufm, name)
    assert function(problem) is not None
    with pytest.raises(InvalidInputError, match="no problem"):
        function(None)


@pytest.mark.parametrize(
    "words",
    [{"tolerance": 0.0}, {"tolerance": float("nan")}, {"max_iterations": -1}, {"max_iterations": "many"}],
)
def test_limits_of_searches_are_numbers(words):
    for function, given in ((sphereufm.find_critical_points, X[None]), (sphereufm.hessian_extreme, X)):
        with pytest.raises(InvalidInputError, match=next(iter(words))):
            function(PROBLEM, given, **words)


@pytest.mark.parametrize("rank", [0, 4, 1.5, "two"])
def test_a_rank_is_one_that_a_point_can_have(rank):
    with pytest.raises(InvalidInputError, match="rank"):
        sphereufm.hessian_spectrum(PROBLEM, X, rank)
