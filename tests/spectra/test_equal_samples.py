"""Points with equal samples taken apart: the parts are the whole, at every point."""

import numpy as np
import pytest

from sphereufm.geometry.spheres import normalize
from sphereufm.problem.equal_samples import equal_samples, sample_groups
from sphereufm.problem.ufm import UFMProblem
from sphereufm.spectra.matrix import hessian_matrix


def configuration(problem, rank, seed):
    """A random point of the given rank, not critical, samples of one class at two places."""
    rng = np.random.default_rng(seed)
    places = normalize(rng.standard_normal((rank, problem.classes, 2)).reshape(rank, -1))
    which = 2 * problem.labels + np.arange(problem.samples) % 2
    W = normalize(rng.standard_normal((rank, problem.classes)))
    frame = np.linalg.qr(rng.standard_normal((problem.dim, rank)))[0]
    return frame @ np.concatenate([W, places[:, which]], axis=1)


@pytest.mark.parametrize("rank", [1, 2, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_parts_are_the_whole_hessian(rank, weighted):
    weights = np.repeat([1.0, 2.0, 0.5], [5, 4, 1]) if weighted else None
    problem = UFMProblem(class_sizes=(5, 4, 1), dim=4, tau=2, weights=weights)
    X = configuration(problem, rank, 0)
    parts = equal_samples(problem, X, rank)
    root = np.repeat(parts.root, rank - 1)
    values = [np.empty(0)]
    if rank > 1:
        values.append(np.linalg.eigvalsh(hessian_matrix(parts.problem, parts.Y) / np.outer(root, root)))
    S = parts.point.multiplier_matrix.dense() / np.outer(parts.root, parts.root)
    values += [np.linalg.eigvalsh(S)] * (4 - rank)
    for group, inside, _ in parts.within():
        values += [inside] * (parts.sizes[group] - 1)
    apart = -parts.point.beta / parts.sizes
    values.append(np.repeat(apart, (4 - rank) * (parts.sizes - 1)))
    whole = np.linalg.eigvalsh(hessian_matrix(problem, X))
    np.testing.assert_allclose(np.sort(np.concatenate(values)), whole, atol=2e-13)


def test_lifted_vectors_are_orthonormal_eigenvectors():
    problem = UFMProblem(class_sizes=(5, 4, 1), dim=4, tau=2)
    X = configuration(problem, 2, 1)
    parts, point = equal_samples(problem, X, 2), problem.at(X)
    S = parts.point.multiplier_matrix.dense() / np.outer(parts.root, parts.root)
    values, c = np.linalg.eigh(S)
    vectors, found = [*parts.lift_normal(c.T, 0), *parts.lift_normal(c.T, 1)], [*values, *values]
    for group, inside, V in parts.within():
        for copy in range(parts.sizes[group] - 1):
            vectors += [parts.lift_within(group, v, copy) for v in V.T]
            found += list(inside)
    U = np.array(vectors)
    np.testing.assert_allclose(np.einsum("kdm,ldm->kl", U, U), np.eye(len(U)), atol=2e-13)
    np.testing.assert_allclose(point.hessian_product(U), np.array(found)[:, None, None] * U, atol=2e-13)


def test_vectors_in_the_span_keep_their_length_and_their_images():
    problem = UFMProblem(class_sizes=(3, 3), dim=3, tau=1)
    X = configuration(problem, 3, 2)
    parts = equal_samples(problem, X, 3)
    assert (parts.sizes.tolist(), parts.is_everything) == ([2, 1, 2, 1], False)
    U = parts.problem.spheres.random_tangent(0, parts.Y)[None]
    lifted = parts.lift(U * parts.root)
    assert np.linalg.norm(lifted) == pytest.approx(np.linalg.norm(U * parts.root), rel=2e-13)
    image = parts.lift(parts.point.hessian_product(U) / parts.root)
    np.testing.assert_allclose(problem.at(X).hessian_product(lifted), image, atol=2e-13)


def test_groups_need_equal_label_weight_and_feature():
    problem = UFMProblem(labels=[0, 1, 0, 0, 1, 0], classes=2, dim=2, tau=1, weights=[1, 1, 1, 2, 1, 1])
    H = np.array([[1.0, 1.0, 1.0, 1.0, 1.0, 0.6], [0.0, 0.0, 0.0, 0.0, 0.0, 0.8]])
    assert sample_groups(problem, H).tolist() == [0, 1, 0, 2, 1, 3]
    H[0, 2] -= 1e-3
    assert sample_groups(problem, H).tolist() == [0, 1, 2, 3, 1, 4]


def test_distinct_features_leave_everything_as_it_is():
    problem = UFMProblem(class_sizes=(4, 4), dim=2, tau=1)
    assert equal_samples(problem, problem.spheres.random_point(0), 2).is_everything
