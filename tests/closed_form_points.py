"""Critical points in closed form, of every problem: rank one, and random members of the collapsed family."""

import numpy as np

from sphereufm.geometry.spheres import normalize
from sphereufm.geometry.tangent_spaces import tangent_bases
from sphereufm.problem.theory.known_points import invertible_branch_point
from sphereufm.problem.ufm import UFMProblem


def rank_one_point(problem, signs):
    """``X = e_1 s^T``, critical for every sign pattern."""
    X = np.zeros(problem.shape)
    X[0] = signs
    return X


def invertible_branch(tau=1):
    """The problem and the saddle of the invertible branch."""
    problem = UFMProblem(class_sizes=(3, 3, 3), dim=3, tau=tau)
    return problem, invertible_branch_point(problem)


def random_collapsed_point(problem, seed):
    """Draw a member of the collapsed family: ``W = w 1^T``, ``f = log K``, critical to rounding.

    The features' parts ``x_i`` orthogonal to ``w`` have the same weighted sum in every class (zero if a class is
    empty); they are drawn so, inside the unit ball, and each is completed by ``+-sqrt(1 - |x_i|^2) w``.
    """
    generator = np.random.default_rng(seed)
    d, N = problem.dim, problem.samples
    omega, labels = problem.weights, problem.labels
    totals = np.bincount(labels, weights=omega, minlength=problem.classes)
    w = normalize(generator.standard_normal((d, 1)))
    common = _point_in_ball(generator, d - 1) * totals.min()
    x = generator.standard_normal((d - 1, N))
    for k in np.flatnonzero(totals):
        members = np.flatnonzero(labels == k)
        mean = common / totals[k]
        spread = x[:, members] - (x[:, members] @ omega[members] / totals[k])[:, None]
        x[:, members] = mean[:, None] + generator.uniform(0.0, 1.0) * _longest(mean, spread) * spread
    signs = generator.choice([-1.0, 1.0], N)
    height = signs * np.sqrt(np.clip(1.0 - np.square(x).sum(axis=0), 0.0, None))
    H = tangent_bases(w)[0] @ x + w * height
    return np.concatenate([np.repeat(w, problem.classes, axis=1), H], axis=1)


def _point_in_ball(rng, dim):
    """A random point of the open unit ball of ``R^dim``."""
    x = rng.standard_normal(dim)
    return x * (rng.uniform(0.0, 1.0) / max(float(np.linalg.norm(x)), 1e-300))


def _longest(mean, spread):
    """Largest ``t`` that keeps every ``mean + t spread_i`` in the unit ball (zero where nothing spreads)."""
    square = np.square(spread).sum(axis=0)
    if square.size == 0 or float(square.max(initial=0.0)) < 1e-24:
        return 0.0
    along = mean @ spread
    room = np.clip(1.0 - float(mean @ mean), 0.0, None)
    # positive root of square t^2 + 2 along t = room, in the form that does not cancel or divide by zero
    return float((room / np.maximum(along + np.sqrt(along**2 + square * room), 1e-300)).min())
