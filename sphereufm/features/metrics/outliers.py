r"""Out-of-distribution detection by neural collapse: NC5, and three scores with AUROC and FPR95.

Statistics are those of training features: sample mean ``m``, class means ``m_k``, covariance ``C``.  All scores are
high for samples like the training's.

* NC5: mean over classes of ``|<m_k, o>| / (|m_k| |o|)``, ``o`` the mean of the other data; 0 where it is orthogonal to
  all class means;
* NECO ``|P^T (h - m)| / |h - m|``, P the leading ``K - 1`` eigenvectors of C, as many as a simplex frame spans;
* energy ``log sum_k exp(z_k)``, ``z = W h + b``;
* ViM ``log sum_k exp(z_k) - alpha |R^T (h - c)|`` with ``c = -pinv(W) b``, R all but the leading D eigenvectors of the
  second moment about c (D = 1000 for ``d >= 2048``, 512 for ``d >= 768``, else ``d / 2``), and ``alpha`` the training's
  mean of ``max_k z_k`` over its mean of ``|R^T (h - c)|``, or over what is rounding of ``|h - c|`` where that is zero.

AUROC is the probability that a known sample scores higher than an unknown one (ties count half); FPR95 the share of
unknown samples above the threshold that keeps 95 % of the known ones.

References
----------
M. Ben Ammar et al., *NECO: neural collapse based out-of-distribution detection*, ICLR 2024 (arXiv:2310.06823).
H. Wang, Z. Li, L. Feng, W. Zhang, *ViM: out-of-distribution with virtual-logit matching*, CVPR 2022.
W. Liu, X. Wang, J. Owens, Y. Li, *Energy-based out-of-distribution detection*, NeurIPS 2020.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from sphereufm.errors import InvalidInputError
from sphereufm.features.feature_set import FeatureSet
from sphereufm.features.metrics.companion import Array
from sphereufm.features.metrics.statistics import (
    ClassMoments,
    make_unit,
    measured_lengths,
    rounding_of,
    row_lengths,
    without_rounding,
)
from sphereufm.features.metrics.streaming import Checkpoint, Passes, Streaming, last_layer
from sphereufm.features.metrics.variability import class_frame
from sphereufm.features.readers.source import ArraySource, finite_blocks
from sphereufm.notebook import counted

_ROWS = 2048
# the whole covariance is taken apart: a minute at this dimension
_MOST_DIMENSIONS = 4096
_KEPT = 0.95
# of shares of a length: what differs less is rounding, and would be ranked by it where the directions left out are none
_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Detection:
    """How well unknown data are distinguished from known ones."""

    name: str  #: of the unknown data
    samples: int
    nc5: float | None  #: None where a mean is zero
    #: ``"auroc"`` and ``"fpr95"`` by score: ``"neco"`` and, with a classifier, ``"energy"`` and ``"vim"``.
    scores: Mapping[str, Mapping[str, float]]

    def to_json(self) -> dict[str, Any]:
        """Return the values as JSON data."""
        return asdict(self)

    def __str__(self) -> str:
        far = "0 where it is orthogonal to all class means"
        nc5 = "undefined" if self.nc5 is None else f"{self.nc5:.4g} ({far})"
        head = f"unknown data {self.name}, {counted(self.samples, 'sample')}: NC5 {nc5}"
        shown = (
            f"{s.upper()} AUROC {v['auroc']:.4f}, FPR95 {v['fpr95']:.4f}" for s, v in self.scores.items()
        )
        return "\n  ".join([head, *shown])


@dataclass(frozen=True, kw_only=True, eq=False)
class Detector:
    """Scores by the statistics of training features; see the module for the symbols."""

    moments: ClassMoments
    principal: Array  #: shape ``(d, K - 1)``
    classifier: Array | None
    bias: Array
    origin: Array  #: shape ``(d,)``
    rest: Array  #: shape ``(d, d - D)``
    normalize: bool  #: whether features are divided by their lengths first
    alpha: float = 0.0

    def scores(self, source: ArraySource) -> dict[str, Array]:
        """Scores of all samples, by name."""
        check_unknown(self.origin.size, [source])
        found = [self._scores(H) for H in self.rows(source)]
        return {name: np.concatenate([part[name] for part in found]) for name in found[0]}

    def _scores(self, H: Array) -> dict[str, Array]:
        """Scores of a block."""
        from scipy.special import logsumexp

        centred = H - (self.moments.mean + self.moments.centre)
        lengths = np.linalg.norm(centred, axis=1)
        shares = np.linalg.norm(centred @ self.principal, axis=1) / np.where(lengths > 0.0, lengths, 1.0)
        neco = np.round(shares, _DIGITS)
        if self.classifier is None:
            return {"neco": neco}
        logits, residual = self.virtual(H, self.classifier)
        energy = np.asarray(logsumexp(logits, axis=1))
        return {"neco": neco, "energy": energy, "vim": energy - self.alpha * residual}

    def virtual(self, H: Array, W: Array) -> tuple[Array, Array]:
        """Logits, and ``|R^T (h - c)|``."""
        away = H - self.origin
        residual = np.linalg.norm(away @ self.rest, axis=1)
        residual[residual <= 0.1**_DIGITS * np.linalg.norm(away, axis=1)] = 0.0
        return H @ W.T + self.bias, residual

    def rows(self, source: ArraySource) -> Iterator[Array]:
        """Blocks of features in double precision, of length one where that is wanted."""
        for block in finite_blocks(source, _ROWS):
            H = block.astype(np.float64)
            measured_lengths(source.name, H, self.normalize)
            yield H

    def detect(self, name: str, known: Mapping[str, Array], unknown: ArraySource) -> Detection:
        """Compare unknown data with the scores of known ones."""
        found, N, mean, length = self.scores(unknown), unknown.shape[0], np.zeros((1, self.origin.size)), 0.0
        for H in self.rows(unknown):
            mean += H.sum(axis=0) / N
            length += float(row_lengths(H).sum()) / N
        means = without_rounding(self.moments.base, self.moments.rounding)[self.moments.present]
        units = np.vstack([means, without_rounding(mean, rounding_of(length))])
        directed = make_unit(units).all()
        pairs = ((score, known[score], values) for score, values in found.items())
        return Detection(
            name=name,
            samples=N,
            nc5=float(np.abs(units[:-1] @ units[-1]).mean()) if directed else None,
            scores={s: {"auroc": auroc(k, u), "fpr95": false_positive_rate(k, u)} for s, k, u in pairs},
        )


def check_unknown(d: int, unknown: Iterable[ArraySource]) -> None:
    """Refuse, before any pass over a file, what cannot be scored by training features of that dimension."""
    if d > _MOST_DIMENSIONS:
        raise InvalidInputError(
            f"the features have d={d}, but scores of unknown data take the covariance apart, up to "
            f"d={_MOST_DIMENSIONS}; project the features first, or leave out --ood"
        )
    for source in unknown:
        if source.shape[1:] != (d,):
            raise InvalidInputError(
                f"{source.name} has shape {source.shape}, but the others have d={d}; give those of the same layer with "
                "--ood"
            )


def make_detector(train: FeatureSet, normalize: bool = False) -> Detector:
    """Statistics of training features, in three passes.

    ``normalize``: divide features by their lengths first, and classifier rows by theirs, and leave out the bias.
    """
    d = train.features.shape[1]
    check_unknown(d, ())
    passes = Passes(data=train, normalize=normalize, how=Streaming(), kept=Checkpoint())
    moments = passes.moments()
    spread, _ = passes.scatter(class_frame(moments, None, None, True))
    covariance = spread.products / moments.counts.sum() + moments.weighted.T @ moments.weighted
    W, b = last_layer(train, normalize)
    bias = np.zeros(train.classes) if b is None else b
    origin = np.zeros(d) if W is None else -np.linalg.pinv(W) @ bias
    away = moments.mean + moments.centre - origin
    principal = 1000 if d >= 2048 else 512 if d >= 768 else d // 2  # the rule of ViM's authors
    detector = Detector(
        moments=moments,
        principal=np.linalg.eigh(covariance)[1][:, ::-1][:, : min(int(moments.present.sum()) - 1, d)],
        classifier=W,
        bias=bias,
        origin=origin,
        rest=np.linalg.eigh(covariance + np.outer(away, away))[1][:, : d - principal],
        normalize=normalize,
    )
    if W is None:
        return detector
    largest = residuals = 0.0
    for H in detector.rows(train.features):
        logits, residual = detector.virtual(H, W)
        largest += float(logits.max(axis=1).sum())
        # where the training leaves these directions out, whoever has them is unknown
        residuals += max(float(residual.sum()), 0.1**_DIGITS * float(row_lengths(H - origin).sum()))
    return replace(detector, alpha=largest / residuals if residuals > 0.0 else 0.0)


def auroc(known: Array, unknown: Array) -> float:
    """Probability that a known score is above an unknown one; ties count half."""
    ordered = np.sort(unknown)
    below = np.searchsorted(ordered, known, side="left") + np.searchsorted(ordered, known, side="right")
    return float(below.mean()) / (2.0 * len(unknown))


def false_positive_rate(known: Array, unknown: Array) -> float:
    """Share of unknown scores at or above the threshold that keeps 95 % of the known ones."""
    threshold = np.sort(known)[::-1][math.ceil(_KEPT * len(known)) - 1]
    return float(np.mean(unknown >= threshold))
