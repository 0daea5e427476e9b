"""Any Pymanopt problem on spheres behind our interface."""

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest
from pymanopt.manifolds import Euclidean, Grassmann, Oblique, Product, Sphere, Stiefel
from pymanopt.manifolds.sphere import SphereSubspaceIntersection

import sphereufm
from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import exponential, project
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.pymanopt.from_pymanopt import from_pymanopt
from sphereufm.problem.ufm import UFMProblem

A = np.diag([1.0, 2.0, 4.0])


def rayleigh(manifold):
    @pymanopt.function.autograd(manifold)
    def cost(x):
        return anp.sum(x * anp.dot(A, x))

    return pymanopt.Problem(manifold, cost)


def mixed():
    """A cost on Sphere(3) x Sphere(2, 2) x Oblique(5, 4) that couples all three."""
    manifold = Product([Sphere(3), Sphere(2, 2), Oblique(5, 4)])
    B = np.random.default_rng(1).normal(size=(4, 5))

    @pymanopt.function.autograd(manifold)
    def cost(x, m, Y):
        return anp.sum(x**3) + anp.exp(anp.sum(anp.dot(m, m))) + anp.sum(anp.dot(B, Y) ** 3) * x[0]

    return pymanopt.Problem(manifold, cost)


def charges(n):
    manifold = Oblique(3, n)
    upper = np.triu_indices(n, 1)
    cost = pymanopt.function.autograd(manifold)(
        lambda X: anp.sum(1.0 / anp.sqrt(2.0 - 2.0 * anp.dot(X.T, X)[upper]))
    )
    return pymanopt.Problem(manifold, cost)


def mixed_cost(X):
    """The same, written for the padded array."""
    B = np.random.default_rng(1).normal(size=(4, 5))
    x, m, Y = X[:3, 0], X[:4, 1].reshape(2, 2), X[:, 2:]
    return (x**3).sum() + np.exp((m @ m).sum()) + ((B @ Y) ** 3).sum() * x[0]


def assert_derivatives_belong_to_cost(problem, seed=0):
    """Gradient and Hessian against central differences along geodesics, in the interface's own terms."""
    X = problem.spheres.random_point(seed)
    U = problem.spheres.random_tangent(seed + 1, X)
    h = 1e-4
    ahead, behind = exponential(X, h * U), exponential(X, -h * U)
    point = problem.at(X)
    slope = float(problem.at(ahead).cost - problem.at(behind).cost) / (2.0 * h)
    size = max(1.0, float(point.gradient_scale.max()))
    assert abs(float((point.gradient * U).sum()) - slope) < 1e-6 * size
    change = project(X, problem.at(ahead).gradient - problem.at(behind).gradient) / (2.0 * h)
    np.testing.assert_allclose(point.hessian_product(U), change, rtol=0, atol=1e-5 * size)
    for value in (point.gradient, point.hessian_product(U)):
        np.testing.assert_allclose((X * value).sum(axis=0), 0.0, atol=2e-13 * size)
        assert (value[~problem.spheres.mask] == 0.0).all()


def test_rayleigh_quotient_on_the_sphere():
    problem = from_pymanopt(rayleigh(Sphere(3)))
    assert problem.spheres.dims == (3,)
    x = np.array([[0.6], [0.8], [0.0]])
    point = problem.at(x)
    assert float(point.cost) == pytest.approx(0.36 + 2.0 * 0.64)
    np.testing.assert_allclose(point.gradient, 2.0 * (A @ x - float(point.cost) * x), atol=2e-13)
    u = np.array([[0.0], [0.0], [1.0]])
    np.testing.assert_allclose(point.hessian_product(u), 2.0 * (4.0 - float(point.cost)) * u, atol=2e-13)


@pytest.mark.parametrize("manifold", [Sphere(3), Sphere(3, 2), Oblique(3, 4)], ids=str)
def test_derivatives_on_single_manifolds(manifold):
    assert_derivatives_belong_to_cost(from_pymanopt(rayleigh(manifold)))


def test_spheres_of_matrices_become_one_column_row_by_row():
    original = rayleigh(Sphere(3, 2))
    problem = from_pymanopt(original)
    assert problem.spheres.dims == (6,)
    X = problem.spheres.random_point(0)
    np.testing.assert_allclose(problem.cost(X), original.cost(X.reshape(3, 2)), rtol=2e-13)


def test_products_become_padded_columns():
    problem = from_pymanopt(mixed())
    assert problem.spheres.dims == (3, 4, 5, 5, 5, 5)
    X = problem.spheres.random_point(3, (4,))
    np.testing.assert_allclose(problem.cost(X), [mixed_cost(x) for x in X], rtol=2e-13)
    assert_derivatives_belong_to_cost(problem)


def test_batch_axes_are_looped_over_and_broadcast():
    problem = from_pymanopt(mixed())
    X = problem.spheres.random_point(0, (2, 1))
    U = problem.spheres.random_tangent(1, np.broadcast_to(X, (2, 3, 5, 6)))
    stack = problem.at(X)
    product = stack.hessian_product(U)
    assert (stack.cost.shape, stack.gradient.shape, product.shape) == ((2, 1), (2, 1, 5, 6), (2, 3, 5, 6))
    assert stack.gradient_scale.shape == (2, 1, 6)
    for i, j in np.ndindex(2, 3):
        one = problem.at(X[i, 0])
        np.testing.assert_array_equal(stack.gradient[i, 0], one.gradient)
        np.testing.assert_array_equal(product[i, j], one.hessian_product(U[i, j]))


def supplied(manifold, **names):
    """The Rayleigh quotient with derivatives written by hand."""
    functions = {
        "euclidean_gradient": lambda x: 2.0 * A @ x,
        "euclidean_hessian": lambda x, u: 2.0 * A @ u,
        "riemannian_gradient": lambda x: project(x, 2.0 * A @ x),
        "riemannian_hessian": lambda x, u: project(x, 2.0 * A @ u) - u * (x * (2.0 * A @ x)).sum(axis=0),
    }
    wrap = pymanopt.function.numpy(manifold)
    cost = wrap(lambda x: (x * (A @ x)).sum())
    return pymanopt.Problem(manifold, cost, **{name: wrap(functions[name]) for name in names})


@pytest.mark.parametrize("kind", ["euclidean", "riemannian"])
def test_supplied_derivatives(kind):
    manifold = Oblique(3, 2)
    names = dict.fromkeys((f"{kind}_gradient", f"{kind}_hessian"))
    problem, automatic = from_pymanopt(supplied(manifold, **names)), from_pymanopt(rayleigh(manifold))
    X = problem.spheres.random_point(0)
    U = problem.spheres.random_tangent(1, X)
    np.testing.assert_allclose(problem.gradient(X), automatic.gradient(X), atol=2e-13)
    np.testing.assert_allclose(problem.hessian_product(X, U), automatic.hessian_product(X, U), atol=2e-13)


def test_supplied_riemannian_derivatives_on_a_product():
    """Pymanopt's own solvers fail on these; nothing is lost on the way to us."""
    manifold = Product([Sphere(3), Sphere(2)])
    c, e = np.array([1.0, -2.0, 0.5]), np.array([0.3, 2.0])
    wrap = pymanopt.function.numpy(manifold)

    def normal_free(x, v):
        return v - x * (x @ v)

    problem = from_pymanopt(
        pymanopt.Problem(
            manifold,
            wrap(lambda x, y: x @ c + y @ e),
            riemannian_gradient=wrap(lambda x, y: [normal_free(x, c), normal_free(y, e)]),
            riemannian_hessian=wrap(lambda x, y, u, v: [-u * (x @ c), -v * (y @ e)]),
        )
    )
    assert_derivatives_belong_to_cost(problem)


def test_a_missing_gradient_is_named_and_a_missing_hessian_made_of_differences():
    manifold = Oblique(3, 2)
    with pytest.raises(InvalidInputError, match=r"has no gradient .*; supply euclidean_gradient or use"):
        from_pymanopt(supplied(manifold))
    exact = from_pymanopt(rayleigh(manifold))
    X = exact.spheres.random_point(0, (4,))
    U = exact.spheres.random_tangent(1, X)
    assert exact.hessian_error == 0.0
    for name in ("euclidean_gradient", "riemannian_gradient"):
        first_order = from_pymanopt(supplied(manifold, **{name: None}))
        size = first_order.at(X).gradient_scale.max()
        error = np.abs(first_order.hessian_product(X, U) - exact.hessian_product(X, U)).max()
        assert error <= first_order.hessian_error * size
        assert 0.0 < first_order.hessian_error < 1e-6


def test_our_own_problem_there_and_back():
    ours = UFMProblem(class_sizes=(2, 1, 2), dim=3, tau=4)
    X = ours.spheres.random_point(0, (2,))
    U = ours.spheres.random_tangent(1, X)
    for derivatives in ("closed-form", "autograd"):
        for manifold in ("oblique", "product"):
            exported = ours.to_pymanopt(derivatives=derivatives, manifold=manifold)
            back = sphereufm.from_pymanopt(exported, symmetry=ours.symmetry)
            assert back.spheres == ours.spheres
            np.testing.assert_allclose(back.cost(X), ours.cost(X), rtol=2e-13)
            np.testing.assert_allclose(back.gradient(X), ours.gradient(X), atol=2e-13)
            np.testing.assert_allclose(back.hessian_product(X, U), ours.hessian_product(X, U), atol=2e-13)


def test_smaller_dimension_under_declared_rotations():
    ours = UFMProblem(class_sizes=(1, 2), dim=4, tau=3)
    back = from_pymanopt(ours.to_pymanopt(), symmetry=ours.symmetry)
    flat, expected = back.in_dimension(2), ours.in_dimension(2)
    X = expected.spheres.random_point(0)
    U = expected.spheres.random_tangent(1, X)
    assert flat.spheres == expected.spheres
    np.testing.assert_allclose(flat.cost(X), expected.cost(X), rtol=2e-13)
    np.testing.assert_allclose(flat.gradient(X), expected.gradient(X), atol=2e-13)
    np.testing.assert_allclose(flat.hessian_product(X, U), expected.hessian_product(X, U), atol=2e-13)
    again = flat.in_dimension(3)
    assert again.spheres.shape == (3, 5)
    assert_derivatives_belong_to_cost(again)
    with pytest.raises(InvalidInputError, match="r=5 must be at most 4"):
        back.in_dimension(5)
    with pytest.raises(InvalidInputError, match="r=0 must"):
        back.in_dimension(0)
    with pytest.raises(InvalidInputError, match=r"declare O\(d\) a symmetry"):
        from_pymanopt(ours.to_pymanopt()).in_dimension(2)


@pytest.mark.parametrize("exponent", [-300, -150, 0, 150, 290])
def test_scales_are_positive_and_follow_the_units_of_the_cost(exponent):
    unit = 10.0**exponent
    cost = pymanopt.function.autograd(Sphere(3))(lambda x: anp.sum(x * anp.dot(A, x)) * unit)
    small, large = from_pymanopt(rayleigh(Sphere(3))), from_pymanopt(pymanopt.Problem(Sphere(3), cost))
    X = small.spheres.random_point(0, (5,))
    here = relative_gradient_norm(small.at(X))
    np.testing.assert_allclose(relative_gradient_norm(large.at(X)), here, rtol=1e-10)
    assert ((here > 1e-3) & (here <= 1.0)).all()


@pytest.mark.parametrize("steepness", [1.0, 10.0, 40.0, 100.0])
def test_scales_are_local_where_a_cost_varies_by_many_orders(steepness):
    """A gradient far from small counts as such at the bottom as on the top."""
    cost = pymanopt.function.autograd(Sphere(3))(lambda x: anp.exp(steepness * x[0]))
    problem = from_pymanopt(pymanopt.Problem(Sphere(3), cost))
    for height in (-0.9, 0.0, 0.9):
        x = np.array([[height], [np.sqrt(1.0 - height**2)], [0.0]])
        assert 1e-5 < float(relative_gradient_norm(problem.at(x))) <= 1.0
    assert float(relative_gradient_norm(problem.at(np.array([[-1.0], [0.0], [0.0]])))) < 1e-12


@pytest.mark.parametrize("factor", [0.0, 1.0])
def test_scales_where_the_cost_ignores_a_factor(factor):
    manifold = Product([Sphere(3), Sphere(2)])
    cost = pymanopt.function.autograd(manifold)(lambda x, y: factor * x[0] + 0.0 * y[0])
    problem = from_pymanopt(pymanopt.Problem(manifold, cost))
    scale = problem.at(problem.spheres.random_point(0)).gradient_scale
    assert scale[0] == scale[1] > 0.0


def test_critical_points_of_a_rayleigh_quotient_are_the_eigenvectors():
    problem = from_pymanopt(rayleigh(Sphere(3)))
    for k in range(3):
        point = problem.at(np.eye(3)[:, k : k + 1])
        assert float(relative_gradient_norm(point)) == 0.0
        curvatures = [
            float((u * point.hessian_product(u)).sum())
            for u in (np.eye(3)[:, j : j + 1] for j in range(3) if j != k)
        ]
        expected = [2.0 * (A[j, j] - A[k, k]) for j in range(3) if j != k]
        np.testing.assert_allclose(curvatures, expected, rtol=2e-13)


def test_the_search_for_critical_points_runs_on_it():
    problem = from_pymanopt(rayleigh(Sphere(3)))
    found = find_critical_points(problem, problem.spheres.random_point(0, (30,)))
    assert found.converged.all()
    eigenvectors = np.abs(found.X[:, :, 0])
    np.testing.assert_allclose(np.sort(eigenvectors, axis=1), [[0.0, 0.0, 1.0]] * 30, atol=1e-9)
    assert set(eigenvectors.argmax(axis=1)) == {0, 1, 2}


@pytest.mark.parametrize(
    "manifold",
    [Stiefel(3, 2), Grassmann(3, 2), Euclidean(3), SphereSubspaceIntersection(np.eye(3)[:, :2])],
    ids=str,
)
@pytest.mark.parametrize("product", [False, True])
def test_other_manifolds_are_refused(manifold, product):
    space = Product([Sphere(2), manifold]) if product else manifold
    cost = pymanopt.function.autograd(space)(lambda *x: anp.sum(x[-1]))
    with pytest.raises(InvalidInputError, match="must be a Sphere or Oblique, or a Product of them"):
        from_pymanopt(pymanopt.Problem(space, cost))


def test_what_is_no_pymanopt_problem_is_refused():
    with pytest.raises(InvalidInputError, match=r"must be a pymanopt\.Problem"):
        from_pymanopt(UFMProblem(class_sizes=(1, 1), dim=2, tau=1))


def test_symmetries_that_do_not_hold_are_refused():
    with pytest.raises(InvalidInputError, match="symmetry changes the cost from"):
        from_pymanopt(rayleigh(Oblique(3, 2)), symmetry=SymmetryGroup.rotations(2))
    weighted = UFMProblem(class_sizes=(1, 1), dim=2, tau=1, weights=[1, 2])
    with pytest.raises(InvalidInputError, match="symmetry changes the cost from"):
        from_pymanopt(weighted.to_pymanopt(), symmetry=SymmetryGroup.full(4))
    swap = SymmetryGroup(False, ColumnPermutations.all_columns(2))
    assert from_pymanopt(rayleigh(Oblique(3, 2)), symmetry=swap).symmetry == swap


@pytest.mark.parametrize("d", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(3))
def test_both_components_of_the_orthogonal_group_are_tried(d, seed):
    """A determinant is blind to rotations and changes its sign under a reflection, in every dimension."""
    manifold = Oblique(d, d)
    weight = np.random.default_rng(seed).uniform(0.1, 1.0)
    even = pymanopt.function.autograd(manifold)(lambda X: anp.sum(anp.dot(X.T, X) ** 3))
    odd = pymanopt.function.autograd(manifold)(
        lambda X: anp.sum(anp.dot(X.T, X) ** 3) + weight * anp.linalg.det(X)
    )
    from_pymanopt(pymanopt.Problem(manifold, even), SymmetryGroup.rotations(d))
    with pytest.raises(
        InvalidInputError, match="under a reflection; rotations leave it unchanged: declare SO"
    ):
        from_pymanopt(pymanopt.Problem(manifold, odd), SymmetryGroup.rotations(d))
    from_pymanopt(pymanopt.Problem(manifold, odd), SymmetryGroup.rotations(d, reflections=False))
    entry = pymanopt.function.autograd(manifold)(lambda X: anp.linalg.det(X) + X[0, 0])
    with pytest.raises(InvalidInputError, match="under a rotation"):
        from_pymanopt(pymanopt.Problem(manifold, entry), SymmetryGroup.rotations(d, reflections=False))


@pytest.mark.parametrize("constant", [0.0, 1e13])
def test_every_declared_swap_is_tried(constant):
    """Columns 0 to 3 are alike, column 4 is not; declaring all five fails at the last swap, whatever is added."""
    manifold = Oblique(3, 5)
    weights = np.array([1.0, 1.0, 1.0, 1.0, 1.5])
    cost = pymanopt.function.autograd(manifold)(
        lambda X: constant + 10.0 * anp.sum(weights * anp.sum(X**4, axis=0))
    )
    problem = pymanopt.Problem(manifold, cost)
    alike = ColumnPermutations((((0, 1, 2, 3),), ((4,),)), ("alike", "other"))
    from_pymanopt(problem, SymmetryGroup(False, alike))
    with pytest.raises(InvalidInputError, match=r"under the permutation of columns \[3, 4\]"):
        from_pymanopt(problem, SymmetryGroup(False, ColumnPermutations.all_columns(5)))


@pytest.mark.parametrize("logarithms", [1, 2])
def test_a_cost_that_is_defined_on_a_part_of_the_spheres_hides_no_wrong_symmetry(logarithms):
    manifold = Oblique(3, 4)

    @pymanopt.function.autograd(manifold)
    def cost(X):
        return anp.sum(anp.log(X[0, :logarithms])) + X[1, 2]

    with pytest.raises(InvalidInputError, match="symmetry changes the cost from"):
        from_pymanopt(pymanopt.Problem(manifold, cost), SymmetryGroup.full(4))
    kept = ColumnPermutations((((0, 1),), ((2,),), ((3,),)), ("a", "b", "c"))
    if logarithms == 2:
        from_pymanopt(pymanopt.Problem(manifold, cost), SymmetryGroup(False, kept))


def test_symmetries_of_another_size_are_refused():
    with pytest.raises(InvalidInputError, match="symmetry='full' must be a SymmetryGroup"):
        from_pymanopt(rayleigh(Oblique(3, 2)), symmetry="full")
    with pytest.raises(InvalidInputError, match="symmetry permutes 3 columns, but points have 2"):
        from_pymanopt(rayleigh(Oblique(3, 2)), symmetry=SymmetryGroup.none(3))
    with pytest.raises(InvalidInputError, match="must be equal where"):
        from_pymanopt(mixed(), symmetry=SymmetryGroup.rotations(6))


def test_points_and_derivatives_of_the_wrong_shape_are_refused():
    manifold = Oblique(3, 2)
    problem = from_pymanopt(rayleigh(manifold))
    with pytest.raises(InvalidInputError, match="X has shape"):
        problem.at(np.ones((2, 3)))
    with pytest.raises(InvalidInputError, match="U has shape"):
        problem.hessian_product(problem.spheres.random_point(0), np.ones((3, 3)))


@pytest.mark.parametrize(
    ("cost", "gradient", "message"),
    [
        (lambda x: None, lambda x: x, "the cost returned nothing, but real numbers"),
        (
            lambda x: 1j * x[0],
            lambda x: x,
            "the cost returned complex of type complex128, .* return its real part",
        ),
        (lambda x: x[:1], lambda x: x, r"the cost returned an array of shape \(1,\), but one number"),
        (lambda x: x[0], lambda x: None, "the euclidean_gradient returned nothing"),
        (lambda x: x[0], lambda x: x[:1], r"the euclidean_gradient has shape \(1,\), but points .* \(3,\)"),
        (lambda x: x[0], lambda x: 1j * x, "the euclidean_gradient returned ndarray of type complex128"),
    ],
)
def test_answers_that_are_no_numbers_get_one_sentence(cost, gradient, message):
    wrap = pymanopt.function.numpy(Sphere(3))
    with pytest.raises(InvalidInputError, match=message):
        from_pymanopt(pymanopt.Problem(Sphere(3), wrap(cost), euclidean_gradient=wrap(gradient)))


def test_values_that_are_not_finite_stay_where_they_are():
    """Two coinciding charges spoil their own item of a stack, and no other."""
    problem = from_pymanopt(charges(2))
    X = problem.spheres.random_point(0, (3,))
    X[1, :, 1] = X[1, :, 0]
    point = problem.at(X)
    for value in (point.cost, point.gradient, point.gradient_scale, point.hessian_product(X[:, :, ::-1])):
        finite = np.isfinite(value.reshape(3, -1)).all(axis=1)
        assert finite.tolist() == [True, False, True]


def test_random_numbers_of_numpy_are_not_touched():
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    from_pymanopt(mixed()).cost(from_pymanopt(mixed()).spheres.random_point(0))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_the_elliptope_is_its_rows():
    """The relaxed cut of a pentagon: 5 cos(4 pi / 5), found on Pymanopt's own manifold and given back in its form."""
    C = np.roll(np.eye(5), 1, axis=0)
    C = C + C.T
    manifold = pymanopt.manifolds.Elliptope(5, 3)
    cost = pymanopt.function.autograd(manifold)(lambda Y: 0.5 * anp.sum(C * anp.dot(Y, Y.T)))
    original = pymanopt.Problem(manifold, cost)
    problem = from_pymanopt(original)
    assert problem.spheres.shape == (3, 5)
    assert problem.symmetry.orthogonal
    assert_derivatives_belong_to_cost(problem)
    result = sphereufm.solve(problem, rng=0)
    assert result.cost == pytest.approx(5.0 * np.cos(0.8 * np.pi))
    Y = problem.pymanopt_point(result.X)
    assert Y.shape == (5, 3)
    assert original.cost(Y) == pytest.approx(result.cost)


def test_complex_circles_are_pairs_of_columns_entries():
    """Phase synchronisation without noise: all phases agree."""
    manifold = pymanopt.manifolds.ComplexCircle(4)
    wrap = pymanopt.function.numpy(manifold)
    A = np.ones((4, 4)) + 1j * np.triu(np.ones((4, 4)), 1) - 1j * np.tril(np.ones((4, 4)), -1)
    original = pymanopt.Problem(
        manifold,
        wrap(lambda z: -(z.conj() @ A @ z).real),
        euclidean_gradient=wrap(lambda z: -2.0 * A @ z),
        euclidean_hessian=wrap(lambda z, u: -2.0 * A @ u),
    )
    problem = from_pymanopt(original)
    assert problem.spheres.dims == (2, 2, 2, 2)
    assert_derivatives_belong_to_cost(problem)
    best = min((sphereufm.solve(problem, rng=seed) for seed in range(4)), key=lambda r: r.cost)
    z = problem.pymanopt_point(best.X)
    np.testing.assert_allclose(np.abs(z), 1.0)
    assert original.cost(z) == pytest.approx(best.cost)


class ComplexSphere(Sphere):
    """As a user would write it."""

    def zero_vector(self, point):
        return np.zeros(self._shape, dtype=complex)


class ComplexOblique(Oblique):
    def zero_vector(self, point):
        return np.zeros_like(point)


HERMITIAN = np.array([[2.0, 1j, 0.5], [-1j, 1.0, 0.3 - 1j], [0.5, 0.3 + 1j, -1.0]])


@pytest.mark.parametrize("manifold", [ComplexSphere(3), ComplexOblique(3, 2)], ids=["sphere", "oblique"])
def test_complex_spheres_are_columns_of_twice_the_length(manifold):
    """The Hermitian Rayleigh quotient: its minimum is the least eigenvalue, in the user's own complex numbers."""

    @pymanopt.function.autograd(manifold)
    def quotient(z):
        return anp.real(anp.sum(anp.conj(z) * anp.dot(HERMITIAN, z)))

    original = pymanopt.Problem(manifold, quotient)
    problem = from_pymanopt(original)
    columns = problem.spheres.shape[1]
    assert problem.spheres.dims == (6,) * columns
    assert_derivatives_belong_to_cost(problem)
    end = sphereufm.solve(problem, rng=0)
    values, vectors = np.linalg.eigh(HERMITIAN)
    assert end.cost == pytest.approx(columns * values[0], abs=1e-9)
    z = problem.pymanopt_point(end.X)
    assert original.cost(z) == pytest.approx(end.cost)
    overlap = np.abs(vectors[:, 0].conj() @ z.reshape(3, -1))
    np.testing.assert_allclose(overlap, 1.0, atol=1e-9)
