"""Theorems that make an instance benign, each with its formal statement and the hypotheses that are verified here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sphereufm.certify.checker.reading import Problem


def is_S(B: Any, p: Problem) -> bool:
    """Theorem S holds for margins too, which are fixed offsets of the logits."""
    return p.loss in ("cross-entropy", "cosine-margin") and p.dim >= max(p.classes, 3)


def is_E(B: Any, p: Problem) -> bool:
    """Exact comparisons of integers and rationals."""
    return p.loss == "cross-entropy" and p.dim == p.classes - 1 >= 3 and 2 * p.tau <= p.classes - 2


def is_smoothed(B: Any, p: Problem) -> bool:
    """``2 tau < log(1 + K (1 - eps) / eps)``, the logarithm taken to the other side."""
    if p.loss != "label-smoothing" or p.dim < max(p.classes, 3) or not p.parameters["smoothing"]:
        return False
    odds = 1 + p.classes * (1 - p.parameters["smoothing"]) / p.parameters["smoothing"]
    return bool(B.less(B.function("exp", B.number(2 * p.tau)), B.number(odds)))


def is_logistic(B: Any, p: Problem) -> bool:
    """One class against the others."""
    return p.loss == "logistic" and p.dim > p.classes


def is_squared(B: Any, p: Problem) -> bool:
    """The own logit never reaches its target; the own weight is positive by the format."""
    return p.loss == "squared-error" and p.dim > p.classes and p.tau < p.parameters["target"]


# by formal statement: the theorem, its hypotheses beside K >= 2 and positive tau and weights, and these in words
THEOREMS: dict[str, tuple[str, Callable[[Any, Problem], bool], str]] = {
    "benign_S": ("S", is_S, "cross-entropy, K >= 2 and d >= max(K, 3)"),
    "benign_E": ("E", is_E, "cross-entropy, d = K - 1 >= 3 and tau <= (K - 2) / 2"),
    "benign_smoothed": (
        "C",
        is_smoothed,
        "label smoothing, d >= max(K, 3) and 2 tau < log(1 + K (1 - eps) / eps)",
    ),
    "benign_one_against_all": ("C", is_logistic, "the logistic loss, K >= 2 and d >= K + 1"),
    "benign_squared": ("C", is_squared, "squared error, K >= 2, d >= K + 1 and tau < target"),
}
