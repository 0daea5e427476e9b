r"""The branch of spurious minimisers at ``d = K - 1`` with one sample of a balanced problem turned around.

Mathematics only; ``edge.py`` runs it. Classifiers start at a simplex frame, every feature at its classifier but for one
sample of the last class, at its opposite. The permutations of the other ``K - 1`` classes act on this configuration as
rotations, and the critical point near it keeps that symmetry. With ``e`` the axis and ``v_j`` a simplex frame of
``K - 1`` vectors orthogonal to it, the fixed configurations with the last class on the axis are

    w_j = -cos(theta) e + sin(theta) v_j,  h_j = -cos(phi) e + sin(phi) v_j  (j < K),  w_K = h_K = e,  x = -e,

``x`` the turned sample: two unknowns. Let it carry the share ``eps = 1 / n`` of its class. With ``c = 1 + cos(theta)``,

    K f = (K - 1) CE(theta, phi) + (1 - eps) log(1 + (K - 1) exp(-tau c)) + eps log(1 + (K - 1) exp(tau c)),

so ``df/dphi = 0`` gives ``phi`` from ``theta`` whatever ``eps`` is, and ``df/dtheta = 0`` is linear in ``eps``: the
branch is the graph of a function ``eps(theta)``, followed from the simplex frame (``eps = 0``) without any step
control, and ``n`` is as continuous as ``eps``. It is a branch of minimisers up to its fold, where ``eps`` is largest,
or up to the place where a Hessian eigenvalue of the whole problem (equal samples merged) crosses zero before: there
the symmetry breaks. Numerical; :func:`certificate` proves what holds at whole ``n``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from sphereufm import UFMProblem, simplex_etf
from sphereufm.certify import Certificate, ExactInstance, ExactPoint, prove_point
from sphereufm.geometry.spheres import Array
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.spectra.spectrum import HessianSpectrum, hessian_spectrum

__all__ = [
    "End",
    "branch_point",
    "certificate",
    "end_of_branch",
    "exact_columns",
    "merged_problem",
    "merged_samples",
    "point",
    "share",
    "spectrum_at",
    "weighted_certificate",
]

# places at which the spectrum is looked at between the simplex frame and the fold; halvings of the interval found
_PLACES = 200
_HALVINGS = 45
# the branch is followed up to this share, where the "turned" samples are half of their class
_LARGEST_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class End:
    """Where the branch stops to consist of minimisers at one ``tau``.

    ``per_class`` is ``1 / eps`` there, the edge in ``n``. ``kind``: the symmetry breaks (``"symmetry"``), the branch
    folds (``"fold"``), or neither before half of a class is turned (``"half"``). ``kernel``: how many eigenvalues
    cross zero.
    """

    classes: int
    tau: float
    kind: str
    per_class: float
    kernel: int


def point(K: int, theta: float, phi: float) -> Array:
    """The configuration with merged samples, shape ``(K - 1, 2 K + 1)``: W, one feature a class, the turned one."""
    V = simplex_etf(K - 1, K - 2)
    axis = np.eye(K - 1, 1)

    def ring(angle: float) -> Array:
        return np.concatenate([np.full((1, K - 1), -math.cos(angle)), math.sin(angle) * V])

    return np.concatenate([ring(theta), axis, ring(phi), axis, -axis], axis=1)


def merged_problem(K: int, tau: float | Fraction, eps: float | Fraction) -> UFMProblem:
    """The problem of ``K + 1`` weighted samples that stands for ``n = 1 / eps`` samples a class."""
    weights = [1.0] * (K - 1) + [1.0 - float(eps), float(eps)]
    return UFMProblem(labels=[*range(K), K - 1], classes=K, dim=K - 1, tau=tau, weights=weights)


def share(K: int, tau: float, theta: float) -> tuple[float, float]:
    """Return ``(phi, eps)`` of the branch's point at ``theta``."""

    def slopes(phi: float) -> tuple[float, float]:
        """Derivatives of ``CE(theta, phi)`` by ``phi`` and by ``theta``."""
        s, c, t, q = math.sin(theta), math.cos(theta), math.sin(phi), math.cos(phi)
        own = math.cos(theta - phi)
        near = (K - 2) * math.exp(tau * (c * q - s * t / (K - 2) - own))
        last = math.exp(tau * (-q - own))
        turn = math.sin(theta - phi)
        by_phi = near * (-c * t - s * q / (K - 2) - turn) + last * (t - turn)
        by_theta = near * (-s * q - c * t / (K - 2) + turn) + last * turn
        return tau * by_phi / (1.0 + near + last), tau * by_theta / (1.0 + near + last)

    phi = float(brentq(lambda angle: slopes(angle)[0], 0.0, math.pi, xtol=1e-15))
    c = 1.0 + math.cos(theta)
    pull = (K - 1) * tau * math.sin(theta)
    aligned, turned = pull / (math.exp(tau * c) + K - 1), pull / (math.exp(-tau * c) + K - 1)
    return phi, ((K - 1) * slopes(phi)[1] + aligned) / (aligned + turned)


def spectrum_at(K: int, tau: float, theta: float) -> HessianSpectrum:
    """Hessian spectrum of the merged problem at a point of the branch."""
    phi, eps = share(K, tau, theta)
    return hessian_spectrum(merged_problem(K, tau, eps), point(K, theta, phi), K - 1)


def end_of_branch(K: int, tau: float) -> End | None:
    """Follow the branch from the simplex frame; None if it does not begin with minimisers (``tau <= K - 1``)."""
    last, kind = _last_place(K, tau)
    # the first places lie close together, since the edge does where n is large; a fold's own eigenvalue is zero
    places = _first_angle(K) + np.geomspace(1e-6, 1.0, _PLACES + 1)[:-1] * (last - _first_angle(K))
    before = None
    for theta in places:
        if not _is_minimiser(K, tau, theta):
            break
        before = theta
    else:
        return End(classes=K, tau=tau, kind=kind, per_class=1.0 / share(K, tau, last)[1], kernel=1)
    if before is None:
        return None
    per_class = 1.0 / share(K, tau, _last_minimiser(K, tau, before, theta))[1]
    kernel = spectrum_at(K, tau, theta).morse_index
    return End(classes=K, tau=tau, kind="symmetry", per_class=per_class, kernel=kernel)


def branch_point(K: int, tau: float, n: float) -> Array | None:
    """The branch's point at ``n`` samples a class, merged; None beyond its end."""
    last, _ = _last_place(K, tau)
    if share(K, tau, last)[1] < 1.0 / n:
        return None
    theta = float(brentq(lambda t: share(K, tau, t)[1] - 1.0 / n, _first_angle(K), last, xtol=1e-15))
    return point(K, theta, share(K, tau, theta)[0])


def merged_samples(K: int, n: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Groups of equal samples among ``n`` a class: one for each class, the last sample alone."""
    last = (((K - 1) * n, K * n - 1),), ((K * n - 1, K * n),)
    return (*(((k * n, (k + 1) * n),) for k in range(K - 1)), *last)


def certificate(K: int, n: int, tau: Fraction) -> Certificate | None:
    """Prove what can be proved of the branch's point at a whole ``n``; None where the branch has no point there."""
    X = branch_point(K, float(tau), n)
    if X is None:
        return None
    W = simplex_etf(K, K - 1)
    groups = merged_samples(K, n)
    lower = ExactPoint(columns=exact_columns(np.concatenate([W, W, W[:, -1:]], axis=1)), groups=groups)
    here = ExactPoint(columns=exact_columns(X), groups=groups)
    instance = ExactInstance(classes=K, dim=K - 1, class_sizes=(n,) * K, tau=tau)
    return prove_point(instance, here, lower=lower)


def weighted_certificate(K: int, tau: Fraction, last: Fraction) -> Certificate:
    """The same with ``K + 1`` samples in all, of weights 1 but for the turned one: ``last``."""
    weights = (Fraction(1),) * K + (last,)
    labels = [*range(K), K - 1]
    problem = UFMProblem(labels=labels, classes=K, dim=K - 1, tau=tau, weights=weights)
    W = simplex_etf(K, K - 1)
    below = np.concatenate([W, W[:, labels]], axis=1)
    start = below * np.where(np.arange(2 * K + 1) == 2 * K, -1.0, 1.0)
    search = find_critical_points(problem, start[None], tolerance=1e-13, max_iterations=200)
    sizes = (1,) * (K - 1) + (2,)
    instance = ExactInstance(classes=K, dim=K - 1, class_sizes=sizes, tau=tau, weights=weights)
    here, lower = (ExactPoint(columns=exact_columns(X), groups=None) for X in (search.X[0], below))
    return prove_point(instance, here, lower=lower)


def _first_angle(K: int) -> float:
    """Angle at the simplex frame."""
    return math.acos(1.0 / (K - 1))


def _last_place(K: int, tau: float) -> tuple[float, str]:
    """Angle of the first largest share of weight (``"fold"``), or of the largest share looked at (``"half"``)."""
    angles = np.linspace(_first_angle(K), math.pi, _PLACES + 1)[:-1]
    shares = [0.0]
    for before, angle in pairwise(angles):
        shares.append(share(K, tau, angle)[1])
        if shares[-1] >= _LARGEST_SHARE:
            half = brentq(lambda theta: share(K, tau, theta)[1] - _LARGEST_SHARE, before, angle)
            return float(half), "half"
        if shares[-1] < shares[-2]:
            break
    found = minimize_scalar(
        lambda theta: -share(K, tau, theta)[1],
        bounds=(2.0 * before - angle, angle),
        method="bounded",
        options={"xatol": 1e-12},
    )
    return float(found.x), "fold"


def _is_minimiser(K: int, tau: float, theta: float) -> bool:
    """Whether the Hessian has no negative eigenvalue, and none that is zero beyond the orbit."""
    spectrum = spectrum_at(K, tau, theta)
    return spectrum.morse_index == 0 and spectrum.nullity == 0


def _last_minimiser(K: int, tau: float, inside: float, outside: float) -> float:
    """Halve the interval in which the last minimiser lies."""
    for _ in range(_HALVINGS):
        middle = 0.5 * (inside + outside)
        inside, outside = (middle, outside) if _is_minimiser(K, tau, middle) else (inside, middle)
    return inside


def exact_columns(X: Array) -> tuple[tuple[Fraction, ...], ...]:
    """Float columns as exact numbers."""
    return tuple(tuple(Fraction(float(value)) for value in column) for column in X.T)
