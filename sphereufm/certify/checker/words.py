"""What a checker says: numbers rounded to bounds, the instance, and the sentence that all claims make.

An instance has one canonical form, the same for all files that state it; its SHA-256 tells two instances apart.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Any


def printed(number: Fraction | tuple[int, int] | None, up: bool) -> str:
    """Six decimal digits of a number, or of mantissa and exponent of two, not below it (``up``) or not above it."""
    if number is None:
        return "an unknown number"
    if isinstance(number, tuple):
        if max(number[0].bit_length(), abs(number[1])) > 40000:
            return "an extreme number"
        number = Fraction(number[0]) * Fraction(2) ** number[1]
    context = Context(prec=6, rounding=ROUND_CEILING if up else ROUND_FLOOR, Emin=-999999, Emax=999999)
    shown = context.divide(Decimal(number.numerator), Decimal(number.denominator)).normalize(context)
    return f"{shown:f}" if not shown or -5 < shown.adjusted() < 7 else f"{shown:e}"


def canonical(p: Any) -> dict[str, Any]:
    """What an instance is, in one form for all files that state it: fractions reduced, the first weight one."""
    if p.program:
        program = [[str(x) if isinstance(x, Fraction) else x for x in step] for step in p.program]
        return {"kind": "expression", "dim": p.dim, "columns": p.columns, "program": program}
    if p.labels is None:
        sizes = [b - a for a, b in pairwise([*p.starts, p.samples])]
    else:
        counts = Counter(p.labels)
        sizes = [counts[k] for k in range(p.classes)]
    ordered = p.labels is None or all(a <= b for a, b in pairwise(p.labels))
    weights = None
    if p.weights is not None and any(w != p.weights[0] for w in p.weights):
        weights = [str(w / p.weights[0]) for w in p.weights]
    return {
        "kind": "ufm",
        "classes": p.classes,
        "dim": p.dim,
        "class_sizes": sizes,
        "labels": None if ordered else p.labels,
        "tau": str(p.tau),
        "weights": weights,
        "loss": [p.loss, *map(str, p.parameters.values())] if p.parameters else p.loss,
    }


def fingerprint(data: dict[str, Any]) -> str:
    """SHA-256 of the canonical form as JSON: keys sorted, no blanks."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def in_words(data: dict[str, Any]) -> str:
    """The canonical form in one line."""
    if data["kind"] == "expression":
        size = len(data["program"])
        return f"an expression of {size} instructions, d = {data['dim']}, columns = {data['columns']}"
    loss = data["loss"] if isinstance(data["loss"], str) else " ".join(data["loss"])[:120]
    weights = "equal weights" if data["weights"] is None else f"weights {runs(data['weights'])}"
    order = "" if data["labels"] is None else " (labels not in order)"
    # a fraction cut short would be another number
    tau = data["tau"] if len(data["tau"]) <= 40 else f"about {printed(Fraction(data['tau']), True)}"
    return (
        f"{loss}, K = {data['classes']}, class sizes {runs(data['class_sizes'])}{order}, "
        f"d = {data['dim']}, tau = {tau}, {weights}"
    )


def runs(values: list[Any]) -> str:
    """Values joined by commas, equal neighbours counted, cut where there are many."""
    parts = [(str(value), len(list(group))) for value, group in groupby(values)]
    texts = [text if len(text) <= 24 else f"about {printed(Fraction(text), True)}" for text, _ in parts[:12]]
    shown = [text if n == 1 else f"{text} ({n} times)" for text, (_, n) in zip(texts, parts, strict=False)]
    return ", ".join(shown) + (", ..." if len(parts) > 12 else "")


def sentence(found: dict[str, tuple[str, str]], claims: dict[str, Any]) -> tuple[str, str]:
    """Section 8: what the claims say together; PROVED only of a point that is proved to exist."""
    statuses = {status for status, _ in found.values()}
    if "REFUTED" in statuses:
        return "REFUTED", "a claim is refuted"
    if statuses != {"PROVED"}:
        return "UNDECIDED", "not every claim is proved" if found else "there is no claim"
    if "collapsed" in claims:
        return "PROVED", "member of the collapsed family, a strict saddle"
    if "least_loss" in claims:
        return "PROVED", "global minimiser"
    if "degenerate" in claims:
        return "PROVED", "degenerate critical point, neither a strict saddle nor a global minimiser"
    if "critical" in claims or "rank_one" in claims:
        radius = claims["critical"]["radius"] if "critical" in claims else 0
        covered = "strict_saddle" in claims and radius <= claims["strict_saddle"]["radius"]
        index = claims["index"]["index"] if "index" in claims else None
        well = "well_classified" in claims and radius <= claims["well_classified"]["radius"]
        if "global_minimum" in claims or (well and index == 0):
            return "PROVED", "global minimiser"
        if "spurious" in claims:
            return "PROVED", "spurious local minimiser"
        if covered or (index is not None and index > 0):
            return "PROVED", "strict saddle"
        if index == 0:
            return "PROVED", "local minimiser"
    if "gap" in claims:
        return "PROVED", "optimality gap"
    if {*claims} == {"benign"}:
        return "PROVED", "benign instance, BY_THEOREM"
    return "UNDECIDED", "the claims make no sentence about an existing point"
