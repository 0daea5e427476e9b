"""Plain tools for the tests of the theory: instances, dense Hessians, and a small Newton method."""

import numpy as np
from hypothesis import strategies as st

from sphereufm.geometry.spheres import retract
from sphereufm.geometry.tangent_spaces import from_coordinates, to_coordinates
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.ufm import UFMProblem


@st.composite
def problems(draw, max_classes=4, min_dim=1, max_dim=5, min_tau=0.05, max_tau=20.0):
    """Small instances: unbalanced, with empty classes, with weights."""
    K = draw(st.integers(2, max_classes))
    sizes = draw(st.lists(st.integers(0, 3), min_size=K, max_size=K).map(lambda n: n if any(n) else [1] * K))
    dim = draw(st.integers(min_dim, max_dim))
    tau = draw(st.floats(min_tau, max_tau))
    N = sum(sizes)
    weights = draw(st.none() | st.lists(st.floats(0.05, 1.0), min_size=N, max_size=N))
    return UFMProblem(class_sizes=sizes, dim=dim, tau=tau, weights=weights)


seeds = st.integers(0, 2**32 - 1)


def plain_G(problem, X):
    """``tau (P - Y) diag(omega)`` as it is written."""
    W, H = X[:, : problem.classes], X[:, problem.classes :]
    Z = problem.tau * W.T @ H
    P = np.exp(Z - Z.max(axis=0))
    P /= P.sum(axis=0)
    P[problem.labels, np.arange(problem.samples)] -= 1.0
    return problem.tau * P * problem.weights


def plain_cost(problem, X):
    """Cross-entropy as it is written."""
    Z = problem.tau * X[:, : problem.classes].T @ X[:, problem.classes :]
    own = Z[problem.labels, np.arange(problem.samples)]
    return float(problem.weights @ (np.logaddexp.reduce(Z, axis=0) - own))


def plain_S(problem, X):
    """The multiplier matrix as it is written."""
    K = problem.classes
    G = plain_G(problem, X)
    Z = X[:, :K].T @ X[:, K:]
    alpha, beta = (G * Z).sum(axis=1), (G * Z).sum(axis=0)
    return np.block([[-np.diag(alpha), G], [G.T, -np.diag(beta)]])


def rounding(problem):
    """What forming ``P - Y`` costs each entry of ``G``: a few ulps of the probabilities' scale, one."""
    return 1e-14 * problem.tau * (1 + problem.tau) * float(problem.weights.max())


def hessian(problem, X):
    """Hessian in tangent coordinates, one Hessian-vector product a column."""
    d, M = X.shape
    size = (d - 1) * M
    images = problem.hessian_product(X, from_coordinates(X, np.eye(size)))
    matrix = to_coordinates(X, images)
    return 0.5 * (matrix + matrix.T)


def gradient_norm(problem, X):
    """Relative gradient norm, by column."""
    return float(relative_gradient_norm(problem.at(X)))


def critical_point(problem, X, steps=100, tolerance=1e-12):
    """Levenberg-Marquardt on the gradient equation, drawn to saddles and minimisers alike; None if it fails.

    Its step ``-A (A^2 + s^2)^-1 g`` is the real part of ``-(A + i s)^-1 g``.
    """
    sigma = 0.1
    for _ in range(steps):
        if gradient_norm(problem, X) <= tolerance:
            return X
        g = to_coordinates(X, problem.gradient(X))
        A = hessian(problem, X)
        shift = 1j * sigma * np.abs(A).max()
        step = -np.linalg.solve(A + shift * np.eye(len(A)), g).real
        move = from_coordinates(X, step)
        moved = retract(X, move * min(1.0, 0.7 / np.abs(move).max()))
        better = np.linalg.norm(problem.gradient(moved)) < np.linalg.norm(g)
        X = moved if better else X
        sigma = max(0.2 * sigma, 1e-9) if better else min(4.0 * sigma, 1e3)
    return X if gradient_norm(problem, X) <= tolerance else None


def local_minimum(problem, X, steps=3000):
    """Gradient descent with backtracking, then Newton."""
    rate = 1.0
    for _ in range(steps):
        gradient, cost = problem.gradient(X), problem.cost(X)
        square = float((gradient * gradient).sum())
        while problem.cost(retract(X, -rate * gradient)) > cost - 0.3 * rate * square and rate > 1e-12:
            rate *= 0.5
        X = retract(X, -rate * gradient)
        rate *= 2.0
        if gradient_norm(problem, X) < 1e-3:
            break
    return critical_point(problem, X)
