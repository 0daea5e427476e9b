r"""Theorems as executable statements: hypotheses; minima and collapsed points in closed form.

A landscape is benign where every critical point is a global minimiser or a strict saddle, for any labels and positive
sample weights:

* **S**: cross-entropy (with margins, offsets, a ``tau_i`` per sample, a free bias), ``d >= max(K, 3)``;
* **E** (the edge): the same losses, ``d = K - 1 >= 3`` and ``2 tau_i <= K - 2`` for every sample;
* **C**: a loss that is convex in the logits and whose derivative cannot vanish, ``d >= K + 1``, or ``d >= max(K, 3)``
  where the loss is blind to a common shift of the logits.  Label smoothing of up to three classes, with one ``tau``,
  needs no more than ``d >= 3``: there it does not matter that its derivative can vanish.  A free bias is allowed where
  the derivative cannot vanish at any logits.

Theorem **F** speaks of one point at ``d = K - 1 >= 3``, at any ``tau``: a critical point at which every sample is well
classified, ``<w_k, h_i> <= <w_y, h_i>`` (or ``2 tau_i <= K - 2``), is a global minimiser or a strict saddle.  Proofs
are on the page of the theory.

Minimum: where all classes carry the same total weight and ``d >= K - 1``,

    min f = log(1 + (K - 1) exp(-K tau / (K - 1))),

attained exactly at ``h_i = w_{y_i}`` with ``W`` a simplex equiangular tight frame,
``W^T W = (K I - 1 1^T) / (K - 1)`` (neural collapse).  Costs are in nats.

References
----------
C. Yaras, P. Wang, Z. Zhu, L. Balzano, Q. Qu, *Neural Collapse with Normalized Features: A Geometric Analysis
over the Riemannian Manifold*, NeurIPS 2022, arXiv:2209.09211.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from sphereufm.errors import InvalidInputError, check_integer
from sphereufm.geometry.spheres import Array
from sphereufm.problem.losses.cross_entropy import CrossEntropy
from sphereufm.problem.losses.logits import log1p_exp

if TYPE_CHECKING:
    from sphereufm.problem.ufm import UFMProblem

# share by which tau must stay below a threshold that is known in floating point only
_CLEARANCE = 1e-12


@dataclass(frozen=True, kw_only=True)
class TheoremCheck:
    """Whether a theorem speaks about an instance."""

    name: str  #: name of the theorem
    #: Whether every hypothesis holds.  ``False`` claims nothing about the landscape.
    applies: bool
    reasons: tuple[str, ...]  #: the hypotheses that fail, in words; empty when the theorem applies
    hypotheses: tuple[str, ...] = ()  #: those by which it applies; empty where it does not

    @classmethod
    def from_failures(cls, name: str, hypotheses: tuple[str, ...], failures: Sequence[str]) -> TheoremCheck:
        """The check of a theorem that applies unless something fails."""
        held = () if failures else hypotheses
        return cls(name=name, applies=not failures, reasons=tuple(failures), hypotheses=held)


def theorem_s(problem: UFMProblem) -> TheoremCheck:
    """Check the hypotheses of Theorem S: ``d >= max(K, 3)``, cross-entropy; margins, offsets, a free bias allowed.

    Where it applies, every critical point is a global minimiser (with ``S >= 0``) or a strict saddle.  The
    temperatures, the labels (unbalanced, empty classes) and the positive sample weights do not matter.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> theorem_s(UFMProblem(class_sizes=(5, 0, 2), dim=3, tau=40.0)).applies
    True
    >>> theorem_s(UFMProblem(class_sizes=(1, 1), dim=2, tau=1.0)).reasons
    ('d=2 is below max(K, 3)=3',)
    """
    failures, least = _softmax_failures(problem), max(problem.classes, 3)
    if problem.dim < least:
        failures.append(f"d={problem.dim} is below max(K, 3)={least}")
    return TheoremCheck.from_failures("S", ("cross-entropy", "d >= max(K, 3)"), failures)


def _softmax_failures(problem: UFMProblem) -> list[str]:
    """What fails where a theorem needs derivatives ``p - e_y``."""
    if problem.loss.facts(problem.classes).probability:
        return []
    return [f"the derivative of {problem.loss.name} is no softmax less the label"]


def benign_theorem(problem: UFMProblem) -> TheoremCheck:
    """The theorem by which the landscape is benign, or one check that says why none applies."""
    checks = theorem_s(problem), theorem_e(problem), theorem_c(problem)
    reasons = tuple(f"{check.name}: {reason}" for check in checks for reason in check.reasons)
    none = TheoremCheck(name="S, E, C", applies=False, reasons=reasons)
    return next((check for check in checks if check.applies), none)


def theorem_e(problem: UFMProblem) -> TheoremCheck:
    """Hypotheses of Theorem E: ``d = K - 1 >= 3``, every ``tau_i <= (K - 2) / 2``, cross-entropy.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> theorem_e(UFMProblem(class_sizes=(1, 1, 1, 1), dim=3, tau="1.1")).reasons
    ('tau=1.1 is above (K - 2) / 2 = 1',)
    """
    edge = _at_the_edge(problem)
    limit = Fraction(problem.classes - 2, 2)
    if problem.exact_tau > limit:
        edge.append(f"tau={problem.tau:g} is above (K - 2) / 2 = {float(limit):g}")
    held = ("cross-entropy", "d = K - 1 >= 3", f"tau <= (K - 2) / 2 = {float(limit):g}")
    return TheoremCheck.from_failures("E", held, edge)


def theorem_c(problem: UFMProblem) -> TheoremCheck:
    """Hypotheses of Theorem C: a convex loss whose derivative cannot vanish, and ``d`` large enough."""
    K, d, name = problem.classes, problem.dim, problem.loss.name
    facts = problem.loss.facts(K)
    failures = [] if facts.convex else [f"{name} is not known to be convex in the logits"]
    threshold, never = facts.vanishes_from, math.isinf(facts.vanishes_from)
    small = facts.harmless_to >= K and len(set(problem.exact_rates or ())) <= 1 and not problem.bias
    if problem.bias and not never:
        failures.append(f"with a free bias the derivative of {name} may vanish")
    elif not threshold and not small:
        failures.append(f"the derivative of {name} may vanish")
    elif not small and problem.tau >= threshold * (1.0 - _CLEARANCE):
        failures.append(
            f"the derivative of {name} can vanish from tau = {threshold:g} on, for K={K}, "
            f"and tau={problem.tau:g} is not below"
        )
    least, words = (max(K, 3), "max(K, 3)") if facts.shift_invariant else (K + 1, "K + 1")
    if d < least:
        failures.append(f"d={d} is below {words}={least}")
    cannot = "with a derivative that cannot vanish" + ("" if never else f", tau < {threshold:g}")
    held = (f"{name} is convex, {f'K={K} is at most 3' if small else cannot}", f"d >= {words}")
    return TheoremCheck.from_failures("C", held, failures)


def theorem_f(problem: UFMProblem, X: Array) -> TheoremCheck:
    """Hypotheses of Theorem F at a point ``X``, shape ``(d, K + N)``, in floats: every sample well classified."""
    failures = _at_the_edge(problem)
    if problem.loss.facts(problem.classes).offsets or problem.bias:
        failures.append("the logits have margins, offsets or a bias")
    cosines = X[:, : problem.classes].T @ X[:, problem.classes :]
    wrong = (cosines > cosines[problem.labels, np.arange(problem.samples)]).any(axis=0)
    trapped = int((wrong & (2.0 * problem.temperatures > problem.classes - 2)).sum())
    if trapped:
        samples = "1 sample is" if trapped == 1 else f"{trapped} samples are"
        failures.append(f"{samples} misclassified, with 2 tau above K - 2 = {problem.classes - 2}")
    placed = "every sample is well classified, or 2 tau <= K - 2"
    return TheoremCheck.from_failures(
        "F", ("cross-entropy without offsets", "d = K - 1 >= 3", placed), failures
    )


def _at_the_edge(problem: UFMProblem) -> list[str]:
    """What Theorems E and F fail by, apart from temperatures."""
    K, d, failures = problem.classes, problem.dim, _softmax_failures(problem)
    if d != K - 1:
        failures.append(f"d={d} is not K - 1={K - 1}")
    elif d < 3:
        failures.append(f"d=K - 1={d} is below 3")
    return failures


def published_theorem(problem: UFMProblem) -> TheoremCheck:
    """Hypotheses of the theorem of Yaras et al. (2022), quoted from secondary sources; Theorem S needs none of them.

    Balanced, ``d > K`` and ``tau < 2 (d - 2) / (1 + (K mod 2) / K)``.
    """
    K, d = problem.classes, problem.dim
    limit = Fraction(2 * (d - 2)) / (1 + Fraction(K % 2, K))
    hypotheses = {
        "the loss is not plain cross-entropy": problem.is_plain,
        "the problem is not balanced with equal weights": problem.is_balanced,
        f"d={d} is not above K={K}": d > K,
        f"tau={problem.tau} is not below 2 (d - 2) / (1 + (K mod 2) / K) = {limit}": problem.exact_tau
        < limit,
    }
    failures = [failure for failure, holds in hypotheses.items() if not holds]
    return TheoremCheck.from_failures("Yaras et al. 2022, as commonly quoted", (), failures)


def has_equal_class_weights(problem: UFMProblem) -> bool:
    """Whether all classes carry exactly the same total weight (balanced classes with equal weights do)."""
    if problem.exact_weights is None:
        return len(set(problem.class_sizes)) == 1
    totals = [Fraction(0)] * problem.classes
    for y, weight in zip(problem.labels.tolist(), problem.exact_weights, strict=True):
        totals[y] += weight
    return len(set(totals)) == 1


def global_minimum(problem: UFMProblem) -> float | None:
    """Return ``min f`` where it is known in closed form: ``log(1 + (K - 1) exp(-K tau / (K - 1)))`` for cross-entropy.

    Returns
    -------
    float or None
        In the loss's unit; None where classes carry different total weights, or ``d < K - 1``.  Accurate to a few ulps
        for the exact rational ``tau``; zero where it underflows.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> round(global_minimum(UFMProblem(class_sizes=(2, 2, 2, 2), dim=3, tau=1)), 10)
    0.5826576531
    """
    known = getattr(problem.loss, "balanced_minimum", None)
    if known is None or not _minimum_may_be_known(problem):
        return None
    return known(problem.classes, problem.dim, problem.exact_tau)


def nonnegative_minimum(problem: UFMProblem) -> float | None:
    """``min f`` over entrywise nonnegative (ReLU) features, ``log(1 + (K - 1) exp(-tau sqrt(K / (K - 1))))``, in nats.

    Attained where the classes have orthonormal features ``h_k`` and ``w_k`` is parallel to ``h_k - mean(h)``.  None
    where classes carry different total weights, or ``d < K``.
    """
    K, loss = problem.classes, problem.loss
    if not isinstance(loss, CrossEntropy) or loss.offsets is not None:
        return None
    if problem.dim < K or not _minimum_may_be_known(problem):
        return None
    return log1p_exp(K - 1, problem.tau * (float(loss.margin) - math.sqrt(K / (K - 1))))


def simplex_etf(classes: int, dim: int) -> Array:
    """Return ``K`` unit vectors in ``R^d`` with all inner products ``-1 / (K - 1)``.

    The rows are a Helmert basis of the space orthogonal to ``(1, ..., 1)``, so every entry is exact to rounding.

    Parameters
    ----------
    classes : int
        ``K >= 2``.
    dim : int
        ``d >= K - 1``; further rows are zero.

    Returns
    -------
    ndarray, shape (d, K)

    Raises
    ------
    InvalidInputError
        If ``classes < 2`` or ``dim < classes - 1``: there is no such frame.

    Examples
    --------
    >>> np.round(simplex_etf(3, 2), 6)
    array([[ 0.866025, -0.866025,  0.      ],
           [ 0.5     ,  0.5     , -1.      ]])
    """
    K = check_integer("classes", classes, 2)
    d = check_integer("dim", dim, 1)
    if d < K - 1:
        raise InvalidInputError(
            f"dim={d} must be at least classes - 1 = {K - 1}; no simplex frame exists below"
        )
    r = np.arange(1, K)
    W = np.zeros((d, K))
    W[: K - 1] = np.tri(K - 1, K)
    W[r - 1, r] = -r
    # not normalised again: each entry is right to an ulp, while a floating sum of K squares is not
    W[: K - 1] *= np.sqrt(K / ((K - 1.0) * r * (r + 1.0)))[:, None]
    return W


def collapsed_point(problem: UFMProblem) -> Array:
    """Return a collapsed point: ``W`` a simplex frame and every feature at its own classifier, ``(d, K + N)``.

    A global minimiser where classes carry equal total weights; for other weights the point is collapsed but in
    general not critical.

    Raises
    ------
    InvalidInputError
        If ``d < K - 1``.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> problem = UFMProblem(class_sizes=(2, 2, 2), dim=2, tau=1.0)
    >>> bool(np.isclose(problem.cost(collapsed_point(problem)), global_minimum(problem), rtol=1e-15))
    True
    """
    W = simplex_etf(problem.classes, problem.dim)
    return np.concatenate([W, W[:, problem.labels]], axis=1)


def _minimum_may_be_known(problem: UFMProblem) -> bool:
    """Whether the classes weigh the same, as every closed form needs, and a bias averages out."""
    averages = not problem.bias or problem.loss.facts(problem.classes).shift_invariant
    return averages and problem.exact_rates is None and has_equal_class_weights(problem)
