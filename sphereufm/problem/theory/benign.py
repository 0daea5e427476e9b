r"""Theorems by which a landscape is benign, as executable statements, and one about single points.

Every critical point is a global minimiser or a strict saddle, for any labels and positive sample weights:

* **S**: cross-entropy (with margins, offsets, a ``tau_i`` per sample, a free bias), ``d >= max(K, 3)``;
* **E** (the edge): the same losses, ``d = K - 1 >= 3`` and ``2 tau_i <= K - 2`` for every sample;
* **C**: a loss that is convex in the logits and whose derivative cannot vanish, ``d >= K + 1``, or ``d >= max(K, 3)``
  where the loss is blind to a common shift of the logits.  Label smoothing of up to three classes, with one ``tau``,
  needs no more than ``d >= 3``: there it does not matter that its derivative can vanish.  A free bias is allowed where
  the derivative cannot vanish at any logits.

Theorem **F** speaks of one point at ``d = K - 1 >= 3``, at any ``tau``: a critical point at which every sample is well
classified, ``<w_k, h_i> <= <w_y, h_i>`` (or ``2 tau_i <= K - 2``), is a global minimiser or a strict saddle.

The proofs are on the page of the theory.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.problem.theory.theorems import TheoremCheck, softmax_failures, theorem_s

if TYPE_CHECKING:
    from sphereufm.problem.ufm import UFMProblem

# share by which tau must stay below a threshold that is known in floating point only
_CLEARANCE = 1e-12


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
    K, d, failures = problem.classes, problem.dim, softmax_failures(problem)
    if d != K - 1:
        failures.append(f"d={d} is not K - 1={K - 1}")
    elif d < 3:
        failures.append(f"d=K - 1={d} is below 3")
    return failures
