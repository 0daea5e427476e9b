r"""A checker for optimality gaps at large points, in floating point with a-priori error bounds.

Ball arithmetic at a thousand classes and a million distinct features would take days.  This file proves the same
statement with BLAS: *at the stored point, columns divided by their lengths, the cost lies at most* ``gap`` *nats above
the global minimum over all unit features and classifiers.*  :mod:`~sphereufm.certify.large_gap.rows` reads the arrays,
the readers of the checker of points the certificate, and :mod:`~sphereufm.certify.large_gap.bounds` has the bound.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from sphereufm.certify.checker.face import read_file
from sphereufm.certify.checker.kernel import CheckError
from sphereufm.certify.checker.reading import (
    Reader,
    anything,
    integer,
    maybe,
    one_of,
    read_json,
    record,
    refuse_if,
    text,
    that,
)
from sphereufm.certify.checker.words import printed
from sphereufm.certify.large_gap.bounds import (
    BLOCK,
    LARGEST_DUAL,
    LARGEST_TAU,
    LEAST_WEIGHT,
    UNIT,
    Array,
    Errors,
    Sums,
    unit_rows,
)
from sphereufm.certify.large_gap.rows import LARGEST_SIDE, HashedRows

FORMAT = "sphereufm-large-gap/1"

_MOST_SAMPLES = 1 << 27
# a million samples of a thousand classes in R^512 need 4e12 operations; K = 4000 alone nearly the memory
_MOST_MEMORY = 1 << 30
_MOST_WORK = 8e12
# the gap that is claimed, by the bound that was found
_MARGIN = 1.01
_TAU = re.compile(r"[0-9]{1,40}(/[1-9][0-9]{0,39})?")
_GAP = re.compile(r"0x[01]\.[0-9a-f]{1,13}p[+-][0-9]{1,4}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class LargeGapResult:
    """What the checker established."""

    #: ``"PROVED"`` if ``bound <= gap``, else ``"UNDECIDED"``; a bound that is too weak refutes nothing.
    status: str
    gap: float  #: the claim, in nats
    #: Proved upper bound of the optimality gap, in nats; infinite where the error bounds do not hold.
    bound: float
    classes: int
    dim: int
    samples: int
    instance: str = ""  #: what the claim is about, in words
    #: Hash of tau and of the hashes of labels and weights, which are the instance, and of the point.
    sha256: str = ""

    def __str__(self) -> str:
        # what is printed is a bound
        gap, bound = (
            printed(Fraction(x), up=True) if math.isfinite(x) else "infinity" for x in (self.gap, self.bound)
        )
        return (
            f"{self.status}: the cost at {self.samples} features of {self.classes} classes in R^{self.dim} "
            f"lies at most {gap} nats above the global minimum (bound found: {bound})"
        )


def check_large_gap(path: str | os.PathLike[str]) -> LargeGapResult:
    """Check a certificate of a large gap, JSON of the format ``sphereufm-large-gap/1``; its arrays lie beside it.

    Raises CheckError if the file or an array is missing, malformed, or differs from its SHA-256.
    """
    entry: dict[str, Reader] = {"file": text(1000), "sha256": matching(_SHA256, "64 hexadecimal digits")}
    arrays: dict[str, Reader] = dict.fromkeys(
        ("classifier", "features", "labels"), lambda v, w: record(v, w, entry)
    )
    arrays |= dict.fromkeys(("weights", "dual"), maybe(arrays["labels"]))
    fields: dict[str, Reader] = {"format": one_of(FORMAT), "producer": anything}
    fields |= {"tau": read_tau, "gap": read_gap}
    data = record(read_json(read_file(Path(path))), "certificate", fields | arrays)
    folder = Path(path).parent
    named = {key: data[key] for key in arrays if data[key] is not None}
    rows = {key: HashedRows(folder, key, entry["file"], entry["sha256"]) for key, entry in named.items()}
    case = _Case(tau=data["tau"], rows=rows)
    return case.result(data["gap"], case.bound()[0])


def matching(pattern: re.Pattern[str], words: str) -> Reader:
    """A text of some form."""
    return that(lambda x: isinstance(x, str) and bool(pattern.fullmatch(x)), words)


def read_tau(value: Any, where: str) -> Fraction:
    """Exact positive rational."""
    tau = Fraction(matching(_TAU, "text such as 5 or 18/5")(value, where))
    refuse_if(
        not Fraction(1, 10**6) <= tau <= LARGEST_TAU, f"tau={value} must lie between 1e-6 and {LARGEST_TAU}"
    )
    return tau


def read_gap(value: Any, where: str) -> float:
    """Exact nonnegative double."""
    matching(_GAP, "a nonnegative hexadecimal float such as 0x1.8p-20")(value, where)
    try:
        return float.fromhex(value)
    except OverflowError:
        raise CheckError(f"gap={value} is no finite double") from None


def prove_large_gap(
    path: str | os.PathLike[str],
    *,
    tau: Fraction | int | str,
    classifier: str,
    features: str,
    labels: str,
    weights: str | None = None,
    refinements: int = 6,
) -> LargeGapResult:
    """Write a certificate beside existing ``.npy`` arrays, with a gap one per cent above the bound found.

    ``tau``: exact, at most 150.  ``classifier, features, labels, weights``: names of files in the same folder, of
    shapes ``(K, d)``, ``(N, d)`` and ``(N,)`` as frameworks save them: float16, float32 or float64 in C order, labels
    ``0 .. K-1``, weights positive and relative (equal if None).  ``refinements``: further passes over the features
    that look for better multipliers; those are stored beside the certificate, as an array of shape (K, d).

    The result is PROVED unless no bound was found.  Raises CheckError if an array is missing or malformed, or ``tau``
    out of range.
    """
    target = Path(path)
    refuse_if(not target.name, f"path={str(path)!r} must be the name of a file")
    dual = target.with_suffix(".dual.npy")
    names = {"classifier": classifier, "features": features, "labels": labels}
    if weights is not None:
        names["weights"] = weights
    rows = {key: HashedRows(target.parent, key, name, None) for key, name in names.items()}
    taken = {target.name, dual.name} & {*names.values()}
    refuse_if(taken, f"path={str(path)!r} would write over {', '.join(taken)}; choose another name")
    if isinstance(refinements, np.integer):
        refinements = int(refinements)
    case = _Case(tau=read_tau(str(tau), "tau"), rows=rows)
    bound, V = case.bound(integer(0)(refinements, "refinements"))
    # other machines add in another order: their bound may be larger by a rounding or many
    gap = max(bound, 0.0) * _MARGIN
    if math.isfinite(bound):
        rows["dual"] = _store(dual, V)
        data: dict[str, Any] = {"format": FORMAT, "producer": {"name": "sphereufm"}, "tau": str(case.tau)}
        data |= {"gap": gap.hex(), "weights": None}
        data |= {key: {"file": source.name, "sha256": source.digest} for key, source in rows.items()}
        aside = target.with_name("." + target.name)
        aside.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        aside.replace(target)
    return case.result(gap, bound)


@dataclass(eq=False, kw_only=True)
class _Case:
    """One point: a temperature, and the arrays by name."""

    tau: Fraction
    rows: dict[str, HashedRows]

    def __post_init__(self) -> None:
        self.classifier, self.features, self.labels = (
            self.rows[key] for key in ("classifier", "features", "labels")
        )
        self.weights, self.dual = self.rows.get("weights"), self.rows.get("dual")

    @property
    def too_large(self) -> str:
        """Say, before any work, what takes more than about a gigabyte or some minutes on two cores; else nothing."""
        (K, d), N = self.classifier.shape, self.features.shape[0]
        # multipliers have columns of their own
        c = d if self.dual is None else self.dual.shape[1]
        memory = 8 * (6 * K * K + 4 * BLOCK * (K + max(c, d)) + 3 * N + 3 * K * (c + d))
        work = 2 * N * K * (K + d + c + 20) + 8 * K**3 + 2 * K * K * c
        if memory <= _MOST_MEMORY and work <= _MOST_WORK:
            return ""
        return f"too large for this checker ({memory >> 20} MiB, {work:.0e} operations)"

    def result(self, gap: float, bound: float) -> LargeGapResult:
        """Say what a bound means for a claim."""
        K, d = self.classifier.shape
        status = "PROVED" if math.isfinite(bound) and bound <= gap else "UNDECIDED"
        N = self.features.shape[0]
        arrays = {key: rows.digest or rows.expected for key, rows in self.rows.items() if key != "dual"}
        about = json.dumps({"tau": str(self.tau), **arrays}, sort_keys=True)
        sizes = self.too_large
        if not sizes:
            counts = np.bincount(self.labels.whole(), minlength=K)
            sizes = f"class sizes {counts.min()} to {counts.max()}"
        words = (
            f"cross-entropy, K = {K}, {sizes}, N = {N}, d = {d}, tau = {self.tau}, "
            f"{'equal weights' if self.weights is None else 'weighted'}"
        )
        digest = hashlib.sha256(about.encode()).hexdigest()
        return LargeGapResult(
            status=status, gap=gap, bound=bound, classes=K, dim=d, samples=N, instance=words, sha256=digest
        )

    def bound(self, refinements: int = 0) -> tuple[float, Array]:
        """Upper bound of the gap, infinite where none is shown, and the ``V`` that gave it.

        A pass reads every array once, and hashes it on the way.
        """
        self._check_shapes()
        (K, d), N = self.classifier.shape, self.features.shape[0]
        if self.too_large:
            return math.inf, np.ones((K, 1))
        W, y = unit_rows(self.classifier.whole()), self.labels.whole()
        refuse_if(y.min() < 0 or y.max() >= K, f"labels must lie in 0 .. {K - 1}")
        omega, e_omega = self._omega(N)
        errors = Errors(K=K, d=d, tau=float(self.tau), e_omega=e_omega)
        V = W if self.dual is None else self.dual.whole()
        refuse_if(np.abs(V).max() > LARGEST_DUAL, f"dual must have entries of at most {LARGEST_DUAL}")
        best, best_V = math.inf, V
        for _ in range(refinements + 1 if errors.e_G < 0.01 else 0):
            sums = Sums(K)
            for first, H in self.features.blocks(BLOCK):
                rows = slice(first, first + H.shape[0])
                sums.add(W, V, unit_rows(H), y[rows].astype(np.intp), omega[rows], float(self.tau))
            bound = sums.bound(errors, V)
            if bound < best:
                best, best_V = bound, V
            V = sums.better(V)
        return best, best_V

    def _check_shapes(self) -> None:
        """Refuse shapes and types that do not fit."""
        W, H, y, w, V = self.classifier, self.features, self.labels, self.weights, self.dual
        for key, rows in self.rows.items():
            integers = key == "labels"
            kind = "integers" if integers else "float16, float32 or float64"
            refuse_if((rows.dtype.kind == "f") == integers, f"{key} holds {rows.dtype}, but must be {kind}")
        here = f"they are {W.shape} and {H.shape}"
        pair = len(W.shape) == len(H.shape) == 2 and W.shape[0] >= 2 and H.shape[1] == W.shape[1] > 0
        refuse_if(not pair, f"classifier must be (K, d) with K >= 2, and features (N, d); {here}")
        (K, _), N = W.shape, H.shape[0]
        most = f"1 to {_MOST_SAMPLES} samples of at most {LARGEST_SIDE} classes are checked, not {N} of {K}"
        refuse_if(K > LARGEST_SIDE or not 1 <= N <= _MOST_SAMPLES, most)
        fits = V is None or (len(V.shape) == 2 and V.shape[0] == K and V.shape[1] > 0)
        refuse_if(not fits, "dual must have a row for each class")
        for key, each in (("labels", y), ("weights", w)):
            short = each is not None and each.shape != (N,)
            refuse_if(short, f"{key} must have one entry for each of the {N} samples, shape ({N},)")

    def _omega(self, N: int) -> tuple[Array, float]:
        """Sample weights that sum to one, and their relative error."""
        if self.weights is None:
            return np.full(N, 1.0 / N), 2 * UNIT
        w = self.weights.whole()
        if (w > 0.0).all():
            # a power of two for which nothing over- or underflows; fsum is correctly rounded
            w = np.ldexp(w, -int(np.frexp(w.max())[1]))
            omega = w / math.fsum(w.tolist())
            if (omega >= LEAST_WEIGHT).all():
                return omega, 4 * UNIT
        raise CheckError(f"weights must be positive, each at least {LEAST_WEIGHT} of their sum")


def _store(path: Path, V: Array) -> HashedRows:
    """Write the multipliers' array aside and rename it; return it, hashed."""
    aside = path.with_name("." + path.name)
    with aside.open("wb") as file:
        np.save(file, V)
    aside.replace(path)
    rows = HashedRows(path.parent, "dual", path.name, None)
    rows.whole()
    return rows
