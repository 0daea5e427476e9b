"""Oracles that share nothing with the package but the definition of the cost.

Multiprecision values come from the definition ``f = sum_i omega_i (log sum_k exp(z_ki) - z_yi)`` alone: derivatives
are central differences with a step of 1e-30 in 120 digits.
"""

import autograd
import autograd.numpy as anp
import mpmath
import numpy as np
from autograd.scipy.special import logsumexp

mp = mpmath.mp.clone()
mp.dps = 120
STEP = mp.mpf(10) ** -30


def exact(array):
    """Floats as multiprecision numbers, shape kept."""
    return np.vectorize(mp.mpf, otypes=[object])(array)


def to_float(array):
    return np.vectorize(float, otypes=[float])(array)


def weights(problem):
    if problem.exact_weights is None:
        return [mp.mpf(1) / problem.samples] * problem.samples
    total = sum(problem.exact_weights)
    return [
        mp.mpf(w.numerator) / w.denominator / (mp.mpf(total.numerator) / total.denominator)
        for w in problem.exact_weights
    ]


def tau(problem):
    return mp.mpf(problem.exact_tau.numerator) / problem.exact_tau.denominator


def cost(problem, X):
    """Cost at ``X``, an object array of shape ``(d, M)``."""
    K = problem.classes
    Z = tau(problem) * (X[:, :K].T @ X[:, K:])
    total = mp.mpf(0)
    for i, (y, omega) in enumerate(zip(problem.labels, weights(problem), strict=True)):
        total += omega * (mp.log(mp.fsum(mp.exp(z) for z in Z[:, i])) - Z[y, i])
    return total


def euclidean_gradient(problem, X):
    G = np.empty(X.shape, dtype=object)
    for index in np.ndindex(*X.shape):
        shift = np.zeros(X.shape, dtype=object)
        shift[index] = STEP
        G[index] = (cost(problem, X + shift) - cost(problem, X - shift)) / (2 * STEP)
    return G


def multipliers(problem, X):
    return (X * euclidean_gradient(problem, X)).sum(axis=0)


def project(X, U):
    return U - X * (X * U).sum(axis=0)


def riemannian_gradient(problem, X):
    return project(X, euclidean_gradient(problem, X))


def hessian_product(problem, X, U):
    """``P (derivative of the Euclidean gradient along U) - U lambda``."""
    change = (euclidean_gradient(problem, X + STEP * U) - euclidean_gradient(problem, X - STEP * U)) / (
        2 * STEP
    )
    return project(X, change) - U * multipliers(problem, X)


def textbook_cost(problem):
    """The cost for autograd, as one would write it on a blackboard."""
    K, y = problem.classes, problem.labels

    def f(X):
        Z = problem.tau * anp.dot(X[:, :K].T, X[:, K:])
        return anp.sum(problem.weights * (logsumexp(Z, axis=0) - Z[y, np.arange(y.size)]))

    return f


def autograd_gradient(problem, X):
    return project(X, autograd.grad(textbook_cost(problem))(X))


def autograd_hessian_product(problem, X, U):
    f = textbook_cost(problem)
    gradient = autograd.grad(f)(X)
    change = autograd.grad(lambda Y: anp.sum(autograd.grad(f)(Y) * U))(X)
    return project(X, change) - U * (X * gradient).sum(axis=0)


def observed_order(errors, ratio=2.0):
    """Order of convergence from errors at steps that shrink by ``ratio``."""
    errors = np.asarray(errors, dtype=float)
    return np.log(errors[:-1] / errors[1:]) / np.log(ratio)
