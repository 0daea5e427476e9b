"""The cross-entropy problem as a Pymanopt problem: four forms, one function."""

import numpy as np
import pymanopt
import pytest
from pymanopt.manifolds import Oblique, Product

from sphereufm.errors import InvalidInputError
from sphereufm.problem import ufm
from sphereufm.problem.pymanopt.to_pymanopt import to_pymanopt
from sphereufm.problem.theory.theorems import global_minimum
from sphereufm.problem.ufm import UFMProblem

FORMS = [(d, m) for d in ("closed-form", "autograd") for m in ("oblique", "product")]
PROBLEMS = [
    UFMProblem(class_sizes=(2, 3, 1), dim=4, tau=1),
    UFMProblem(class_sizes=(2, 0, 2), dim=3, tau=20, weights=[1, 2, 3, 4]),
    UFMProblem(labels=[1, 0, 1], dim=2, tau="0.001"),
    UFMProblem(class_sizes=(1, 1, 2), dim=3, tau=1000),
]


def parts(array, K, manifold):
    return array if manifold == "oblique" else [array[:, :K], array[:, K:]]


def joined(value):
    return value if isinstance(value, np.ndarray) else np.concatenate(value, axis=1)


@pytest.mark.parametrize("problem", PROBLEMS, ids=repr)
@pytest.mark.parametrize(("derivatives", "manifold"), FORMS)
def test_all_forms_agree_with_the_problem_to_rounding(problem, derivatives, manifold):
    exported = problem.to_pymanopt(derivatives=derivatives, manifold=manifold)
    X = problem.spheres.random_point(0)
    U = problem.spheres.random_tangent(1, X)
    x, u = parts(X, problem.classes, manifold), parts(U, problem.classes, manifold)
    point = problem.at(X)
    rounding = 2e-13 * (1.0 + problem.tau) * float(point.gradient_scale.max())
    np.testing.assert_allclose(exported.cost(x), point.cost, rtol=2e-13)
    for name, expected, tolerance in [
        ("euclidean_gradient", point.euclidean_gradient, rounding),
        ("riemannian_gradient", point.gradient, rounding),
    ]:
        np.testing.assert_allclose(joined(getattr(exported, name)(x)), expected, rtol=1e-12, atol=tolerance)
    for name, expected in [
        ("euclidean_hessian", point.euclidean_hessian_product(U)),
        ("riemannian_hessian", point.hessian_product(U)),
    ]:
        found = joined(getattr(exported, name)(x, u))
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=rounding * (1.0 + problem.tau))


def test_manifolds_are_those_that_were_asked_for():
    problem = PROBLEMS[0]
    oblique = to_pymanopt(problem).manifold
    assert isinstance(oblique, Oblique)
    assert oblique.zero_vector(None).shape == (4, 9)
    product = to_pymanopt(problem, manifold="product").manifold
    assert isinstance(product, Product)
    assert [part.zero_vector(None).shape for part in product.manifolds] == [(4, 3), (4, 6)]
    assert oblique.dim == product.dim == problem.spheres.dimension


@pytest.mark.parametrize("manifold", ["oblique", "product"])
def test_a_point_overwritten_in_place_is_evaluated_anew(manifold):
    problem = PROBLEMS[0]
    exported = to_pymanopt(problem, manifold=manifold)
    first, second = problem.spheres.random_point(0, (2,))
    X = first.copy()
    exported.cost(parts(X, 3, manifold))
    X[...] = second
    np.testing.assert_allclose(exported.cost(parts(X, 3, manifold)), problem.cost(second), rtol=2e-13)


def test_questions_at_one_point_share_one_forward_pass(monkeypatch):
    problem = PROBLEMS[0]
    asked = []
    at = UFMProblem.at
    monkeypatch.setattr(UFMProblem, "at", lambda self, X: asked.append(1) or at(self, X))
    exported = to_pymanopt(problem)
    X = problem.spheres.random_point(0)
    exported.cost(X)
    exported.riemannian_gradient(X.copy())
    for seed in range(5):
        exported.riemannian_hessian(X, problem.spheres.random_tangent(seed, X))
    assert len(asked) == 1


@pytest.mark.parametrize(("derivatives", "manifold"), FORMS)
def test_pymanopt_solves_it(derivatives, manifold):
    problem = UFMProblem(class_sizes=(2, 2), dim=3, tau=1)
    exported = problem.to_pymanopt(derivatives=derivatives, manifold=manifold)
    start = parts(problem.spheres.random_point(0), 2, manifold)
    solver = pymanopt.optimizers.ConjugateGradient(verbosity=0, min_gradient_norm=1e-6)
    found = joined(solver.run(exported, initial_point=start).point)
    assert float(problem.cost(found)) == pytest.approx(np.log1p(np.exp(-2.0)), rel=1e-9)


@pytest.mark.parametrize("optimizer", ["SteepestDescent", "ConjugateGradient", "TrustRegions"])
@pytest.mark.parametrize(
    ("sizes", "dim", "tau"), [((2, 2), 3, 1), ((1, 1, 1), 3, 2), ((2, 2, 2), 4, 1), ((1,) * 4, 4, 2)], ids=str
)
def test_pymanopts_own_optimizers_find_the_closed_form_minimum(optimizer, sizes, dim, tau):
    problem = UFMProblem(class_sizes=sizes, dim=dim, tau=tau)
    solver = getattr(pymanopt.optimizers, optimizer)(verbosity=0, min_gradient_norm=1e-6)
    found = solver.run(problem.to_pymanopt(), initial_point=problem.spheres.random_point(1))
    assert found.cost == pytest.approx(global_minimum(problem), rel=1e-8)
    assert float(problem.cost(found.point)) == pytest.approx(found.cost, rel=1e-13)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"derivatives": "jax"}, "derivatives='jax' must be 'closed-form' or 'autograd'"),
        ({"manifold": "sphere"}, "manifold='sphere' must be 'oblique' or 'product'"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        PROBLEMS[0].to_pymanopt(**options)


def test_random_numbers_of_numpy_are_not_touched():
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    exported = ufm.UFMProblem(class_sizes=(1, 1), dim=2, tau=1).to_pymanopt(manifold="product")
    exported.cost([np.eye(2), np.eye(2)])
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
