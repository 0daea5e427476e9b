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

# numbers of more bits are distinguished by a hash, which stands after this word
LONGEST, EXTREME = 10_000, "sha256:"


def printed(number: Fraction | tuple[int, int], up: bool) -> str:
    """Six decimal digits of a number, or of mantissa and exponent of two, not below it (``up``) or not above it."""
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
        return {"kind": "expression", "dim": p.dim, "columns": p.columns, "program": plain(p.program)}
    counts = Counter(p.labels)
    ordered = all(a <= b for a, b in pairwise(p.labels))
    weights = (
        None if p.weights.count(p.weights[0]) == len(p.weights) else [w / p.weights[0] for w in p.weights]
    )
    tau = p.taus[0] if p.taus.count(p.taus[0]) == len(p.taus) else p.taus
    return {
        "kind": "ufm",
        "classes": p.classes,
        "dim": p.dim,
        "class_sizes": [counts[k] for k in range(p.classes)],
        "labels": None if ordered else p.labels,
        "tau": plain(tau),
        "weights": plain(weights),
        "loss": [p.loss, *plain(list(p.parameters.values()))] if p.parameters else p.loss,
        **({"bias": True} if p.bias else {}),
    }


def plain(value: Any) -> Any:
    """Fractions as text, lists and tuples as lists."""
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if not isinstance(value, Fraction):
        return value
    if max(value.numerator.bit_length(), value.denominator.bit_length()) < LONGEST:
        return str(value)
    # Python writes no integer of more than 4300 digits, and a file can hold many of them
    return EXTREME + hashlib.sha256(f"{value.numerator:x}/{value.denominator:x}".encode()).hexdigest()


def fingerprint(data: dict[str, Any]) -> str:
    """SHA-256 of the canonical form as JSON: keys sorted, no blanks."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def named(p: Any) -> dict[str, str]:
    """An instance in one line, and the hash of its canonical form."""
    instance = canonical(p)
    return {"instance": in_words(instance), "sha256": fingerprint(instance)}


def in_words(data: dict[str, Any]) -> str:
    """The canonical form in one line."""
    if data["kind"] == "expression":
        size = len(data["program"])
        return f"an expression of {size} instructions, d = {data['dim']}, columns = {data['columns']}"
    loss = data["loss"] if isinstance(data["loss"], str) else " ".join(map(shortened, data["loss"]))
    weights = "equal weights" if data["weights"] is None else f"weights {runs(data['weights'])}"
    order = "" if data["labels"] is None else " (labels not in order)"
    tau = runs(data["tau"] if isinstance(data["tau"], list) else [data["tau"]])
    return (
        f"{loss}, K = {data['classes']}, class sizes {runs(data['class_sizes'])}{order}, "
        f"d = {data['dim']}, tau = {tau}, {weights}{', a free bias' if 'bias' in data else ''}"
    )


def shortened(value: Any) -> str:
    """A number as it is, or about; a fraction cut short would be another number."""
    if isinstance(value, list):
        return f"[{runs([x for row in value for x in row])}]"
    text = str(value)
    if text.startswith(EXTREME):
        return "an extreme number"
    return text if len(text) <= 40 else f"about {printed(Fraction(text), True)}"


def runs(values: list[Any]) -> str:
    """Values joined by commas, equal neighbours counted, cut where there are many."""
    parts = [(str(value), len(list(group))) for value, group in groupby(values)]
    texts = [shortened(text) for text, _ in parts[:12]]
    shown = [text if n == 1 else f"{text} ({n} times)" for text, (_, n) in zip(texts, parts, strict=False)]
    return ", ".join(shown) + (", ..." if len(parts) > 12 else "")


def said(at: Any, claim: dict[str, Any], shown: list[Any]) -> str:
    """What a claim says that was proved; bounds are rounded so that the sentence is never stronger."""
    p, kind, rank = at.p, claim["type"], at.point.rank
    words = claim | {name: printed(x, True) for name, x in claim.items() if isinstance(x, Fraction)}
    # up to where something holds of all points
    words |= {f"all_{name}": printed(claim[name], False) for name in claim if name.endswith("radius")}
    words |= {"rank": rank, "aligned": ", aligned with it" if p.invariant else ""}
    words["space"] = "in this space" if p.program else f"of this grouping, in the span of {rank} dimensions"
    words["cost"] = ", its cost is log K" if p.loss == "cross-entropy" and not p.bias else ""
    words["needs"] = NEEDS.get(claim.get("formal", ""))
    # eta and q; or of two costs the greater from below, the other from above
    ups = [(x, i > 0 or kind == "critical") for i, x in enumerate(shown)]
    words["shown"] = [printed(at.B.bound(x, up), up) for x, up in ups]
    return SENTENCES[kind].format(**words)


# hypotheses of theorems, by formal statement
NEEDS = {
    "benign_S": "cross-entropy, K >= 2 and d >= max(K, 3)",
    "benign_bias": "cross-entropy with a free bias, K >= 2 and d >= max(K, 3)",
    "benign_E": "cross-entropy, d = K - 1 >= 3 and tau <= (K - 2) / 2",
    "benign_smoothed": "label smoothing, d >= max(K, 3) and 2 tau < log(1 + K (1 - eps) / eps)",
    "benign_smoothed_three": "label smoothing above zero and below one, K <= 3, d >= 3 and one tau",
    "benign_one_against_all": "the logistic loss, K >= 2 and d >= K + 1",
    "benign_squared": "squared error, K >= 2, d >= K + 1 and tau < target",
}
NEAR, EVERY = (
    "within {radius} of the stored point",
    "every critical point {space}, within {all_radius} of the stored point,",
)
LOWER = "of cost at least {shown[0]}, and a point of cost at most {shown[1]}, lower by the margin"
# by type of claim
SENTENCES = {
    "critical": "an exact critical point of rank at most {rank} exists within {radius} of the stored point, the only "
    "one within {all_unique_radius}{aligned} (eta = {shown[0]}, q = {shown[1]})",
    "rank_one": "the point is exactly of rank one, and therefore critical in every dimension",
    "index": "its Morse index is {index}, and its kernel is exactly the orbit's tangent space",
    "strict_saddle": f"{EVERY} has a Hessian eigenvalue below {{curvature}}",
    "global_minimum": "its multiplier matrix is positive semidefinite: a global minimiser in every dimension",
    "gap": "the cost lies at most {gap} above the global minimum",
    "spurious": f"a local minimiser {LOWER}",
    "collapsed": "an exact member of the collapsed family lies within {radius} of the stored point; it is "
    "critical{cost}, and it is a strict saddle (Theorem S, case A)",
    "degenerate": "exactly critical with a positive semidefinite Hessian, no strict saddle, and no global minimiser: "
    f"it is {LOWER}",
    "well_classified": f"{EVERY} classifies well all samples of tau above (K - 2) / 2, so it is a global minimiser or "
    "a strict saddle (Theorem F, formally proved: docs/formal, benign_F)",
    "least_loss": f"{NEAR} lies an exact point at which the loss of every sample is the least for any logits: a global "
    "minimiser, at the floor of the cost",
    "shared_loss": f"{NEAR} lies an exact critical point: classes of one classifier share one feature, and every "
    "sample's loss is the least for logits that are equal on such classes",
    "equal_features": f"{NEAR} lies an exact critical point of equal features, at the best bias, which sees the class "
    "weights alone",
    "frame": f"{NEAR} lies an exact critical point, whose features are its classifiers mirrored or turned round, and "
    "these a frame",
    "benign": "BY_THEOREM {theorem} (formally proved: docs/formal, {formal}): {needs}, so every critical point of this "
    "instance is a global minimiser or a strict saddle; a theorem, not an enumeration",
}
