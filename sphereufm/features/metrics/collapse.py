"""Neural collapse of saved features: NC1 to NC4, their variants, and what is undefined."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError
from sphereufm.features.feature_set import FeatureSet
from sphereufm.features.metrics import frames
from sphereufm.features.metrics.companion import Array, Companion, Gathered
from sphereufm.features.metrics.one_vs_rest import one_vs_rest as hull_distance
from sphereufm.features.metrics.result import (
    COLLAPSED,
    COVARIANCE_DIMENSION,
    ONE_VS_REST_CLASSES,
    CollapseMetrics,
    conventions,
    why_undefined,
)
from sphereufm.features.metrics.statistics import Frame, Scatter, rounding_of, row_lengths, without_rounding
from sphereufm.features.metrics.streaming import Checkpoint, Passes, Streaming, last_layer
from sphereufm.features.metrics.variability import class_frame, class_nc1, effective_rank, variability

__all__ = ["Measuring", "begin", "collapse_metrics"]

_EPS = sys.float_info.epsilon
# singular values of the class means this much smaller than the largest carry NC1 by themselves
_SINGULAR = 1e-4


def collapse_metrics(
    features: FeatureSet,
    *,
    normalize: bool = False,
    covariance: bool | None = None,
    one_vs_rest: bool | None = None,
    streaming: Streaming | None = None,
    train: FeatureSet | None = None,
) -> CollapseMetrics:
    """Measure neural collapse in two streaming passes.

    Parameters
    ----------
    features : FeatureSet
        From :func:`~sphereufm.features.load_features` or in memory.
    normalize : bool
        Divide each feature and each classifier row by its length first, and leave out the bias.
    covariance : bool, optional
        Whether the whole ``d x d`` covariance is measured (for VCI); by default where ``d <= 512``.
    one_vs_rest : bool, optional
        Whether one-vs-rest distances are computed (K quadratic programs); by default where ``K <= 1024``.
    streaming : Streaming, optional
        Workers, checkpoint, progress.
    train : FeatureSet, optional
        Training features, where ``features`` are held out: class means, ``Sigma_B``, NC2 and NC3 are theirs,
        and so is the classifier where ``features`` have none.

    Returns
    -------
    CollapseMetrics
        In float64.  A class without samples is left out of everything that needs its mean; with a single sample
        it counts with variance zero; both are named in ``notes``.

    Raises
    ------
    InvalidInputError
        If a feature holds NaN or infinity, lengths of features or classifier rows leave the range 1e-100 to 1e100, or
        a checkpoint belongs to something else.

    Examples
    --------
    >>> from sphereufm.features import feature_set_from_arrays
    >>> H = [[1.0, 0.1], [1.0, -0.1], [-1.0, 0.0], [-1.0, 0.0]]
    >>> found = collapse_metrics(feature_set_from_arrays(H, [0, 0, 1, 1], classifier=[[1.0, 0.0], [-1.0, 0.0]]))
    >>> round(found.nc1, 12), round(found.nc2, 12), found.nc4
    (0.0, 0.0, 1.0)
    >>> found.variants["nc1_trace_ratio"]
    0.005
    """
    what = Measuring(normalize=normalize, covariance=covariance, one_vs_rest=one_vs_rest)
    return begin(features, what, streaming, train).measure()[0]


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """What is measured: the options of :func:`collapse_metrics`, and whatever else a companion's sums depend on."""

    normalize: bool = False
    covariance: bool | None = None
    one_vs_rest: bool | None = None
    identity: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Begun:
    """Features of which the first pass is made."""

    passes: Passes
    frame: Frame
    hulls: bool  #: whether one-vs-rest distances are wanted
    held_out: bool

    def measure(self, companion: Companion | None = None) -> tuple[CollapseMetrics, Gathered]:
        """Make the second pass; what a companion gathers of it is returned beside the measures."""
        spread, found = self.passes.scatter(self.frame, companion)
        self.passes.kept.remove()
        return self._metrics(spread), found

    def _metrics(self, spread: Scatter) -> CollapseMetrics:
        """Put what both passes found under the names of the literature."""
        frame, N, present = spread.frame, int(spread.counts.sum()), spread.frame.moments.present
        W, has_means = frame.classifier, frame.sizes.size > 0
        moments, own = frame.moments, None if W is None else W[present]
        centred, base = moments.centred[present], without_rounding(moments.base, moments.rounding)[present]
        spreads, hits = variability(spread), spread.mean_hits if W is None else spread.agreements
        within = np.asarray(np.linalg.eigvalsh(spread.products / N)[::-1])
        noise = max(within.size * _EPS * float(within.max(initial=0.0)), moments.rounding**2)
        within = np.where(within > noise, within, 0.0)
        between = np.square(frame.sizes) / len(centred)
        pairs = frames.cosines(base)
        values = {
            "nc1": spreads.pop("nc1"),
            "nc2": frames.simplex_distance(centred if W is None else W),
            "nc3": np.nan if own is None else frames.duality_distance(own, base),
            "nc4": hits / N if has_means else np.nan,
            **spreads,
            "nc4_labels": spread.mean_hits / N if has_means else np.nan,
            **_vector_measures("means", centred, self.hulls),
            "nc2_means_class_centred": frames.simplex_distance(centred - centred.mean(axis=0)),
            "uncentred_cosine_mean": pairs.mean(),
            "uncentred_cosine_min": pairs.min(),
            "uncentred_cosine_max": pairs.max(),
        }
        if W is not None and own is not None:
            values |= {
                "ncc_mismatch": 1.0 - hits / N if has_means else np.nan,
                **_vector_measures("classifier", W, self.hulls),
                "nc2_classifier_centred": frames.simplex_distance(_about_mean(W)),
                "nc3_centred": frames.duality_distance(own, centred),
                "nc3_difference": frames.frame_difference(own, centred),
                "nc3_rotated": frames.rotated_difference(own, centred),
                "classifier_accuracy": spread.classifier_hits / N,
            }
        values |= {
            "effective_rank_between": effective_rank(between),
            "effective_rank_within": effective_rank(within) if frame.full else np.nan,
        }
        cosines = np.full(len(present), np.nan)
        if own is not None:
            cosines[present] = (
                (frames.directions(own) * frames.directions(centred)).sum(axis=1).clip(-1.0, 1.0)
            )
        known: dict[str, Any] = {name: float(v) if np.isfinite(v) else None for name, v in values.items()}
        undefined = [name for name, value in known.items() if value is None]
        return CollapseMetrics(
            **{name: known.pop(name) for name in COLLAPSED},
            variants=known,
            undefined={name: why_undefined(name, frame, self.hulls) for name in undefined},
            conventions=conventions(W is not None, self.passes.normalize, self.held_out),
            normalized=self.passes.normalize,
            class_counts=tuple(spread.counts.tolist()),
            notes=_notes(frame, self.passes.normalize, self.held_out),
            means=frame.places[present],
            within_spectrum=within,
            between_spectrum=between,
            class_nc1=class_nc1(spread),
            class_cosines=cosines,
        )


def begin(
    features: FeatureSet, what: Measuring, streaming: Streaming | None = None, train: FeatureSet | None = None
) -> Begun:
    """Make the first pass: over the training features, where ``features`` are held out."""
    check_features("features", features)
    how, (_, d) = streaming or Streaming(), features.features.shape
    full = d <= COVARIANCE_DIMENSION if what.covariance is None else what.covariance
    hulls = features.classes <= ONE_VS_REST_CLASSES if what.one_vs_rest is None else what.one_vs_rest
    if train is not None:
        check_features("train", train)
        features = features.with_last_layer_of(train)
        train = _fitting(train, features)
    W, bias = last_layer(features, what.normalize)
    measured = [features] if train is None else [features, train]
    kept = Checkpoint(how.checkpoint, (part for data in measured for part in _identity(data, what, full)))
    passes = Passes(data=features, normalize=what.normalize, how=how, kept=kept)
    moments = (passes if train is None else replace(passes, data=train)).moments()
    frame = class_frame(moments, W, bias, full)
    return Begun(passes=passes, frame=frame, hulls=hulls, held_out=train is not None)


def check_features(name: str, given: object) -> None:
    """Refuse what is no feature set, such as a bare array."""
    if not isinstance(given, FeatureSet):
        raise InvalidInputError(
            f"{name} is of type {type(given).__name__}, but a FeatureSet is needed; make one with load_features(path) "
            "or feature_set_from_arrays(features, labels)"
        )


def _vector_measures(of: str, A: Array, hulls: bool) -> dict[str, float]:
    """Distances of one set of vectors from simplex and uniform frames."""
    distance, gap = hull_distance(A) if hulls else (np.nan, np.nan)
    values = {**frames.vector_measures(A), "one_vs_rest": distance, "one_vs_rest_gap": gap}
    return {f"{name}_{of}": value for name, value in values.items()}


def _about_mean(W: Array) -> Array:
    """Classifier rows about their mean."""
    return without_rounding(W - W.mean(axis=0), rounding_of(float(row_lengths(W).max())))


def _notes(frame: Frame, normalize: bool, held_out: bool) -> tuple[str, ...]:
    """What a reader must know of the features whose class means are used."""
    moments, s, counts = frame.moments, frame.sizes, frame.moments.counts
    d, K = moments.centre.size, int(moments.present.sum())
    kept, most = "kept as zero, " if normalize else "", min(K - 1, d)
    said = {
        f"classes without samples, left out of means: {_listed(counts == 0)}": counts.size > K,
        f"classes of one sample, of variance zero: {_listed(counts == 1)}": (counts == 1).any()
        and not held_out,
        f"zero features: {moments.zero_rows}; {kept}they have no direction": moments.zero_rows > 0,
        f"d={d} is below K - 1 = {K - 1}: no simplex frame exists, NC2 and NC3 cannot be zero": d < K - 1,
        "two classes: centred class means are always a simplex frame, up to their weights": K == 2,
        "features are entrywise nonnegative (as after a ReLU): they cannot be a simplex frame": (
            moments.least_entry >= 0.0
        ),
    }
    notes = [f"training: {note}" if held_out else note for note, holds in said.items() if holds]
    # where the pseudo-inverse had to choose, or is sensitive to what it kept
    if s.size and (s.size < most or s[-1] <= _SINGULAR * s[0]):
        notes.append(
            f"Sigma_B is nearly singular: its pseudo-inverse kept {s.size} of at most {most} directions, with "
            f"eigenvalues down to {(s[-1] / s[0]) ** 2:.2g} of the largest; NC1 depends on the smallest of them"
        )
    return tuple(notes)


def _fitting(train: FeatureSet, features: FeatureSet) -> FeatureSet:
    """The training features, with as many classes as the held-out ones."""
    (_, d), K = features.features.shape, features.classes
    if train.features.shape[1] != d:
        raise InvalidInputError(
            f"{train.features.name} has d={train.features.shape[1]}, but {features.features.name} has d={d}; give "
            "training features of the same layer with --train"
        )
    missing, top = np.setdiff1d(features.labels, train.labels), int(train.labels.max())
    if missing.size or top >= K:
        which = f"class {int(missing[0])} has no sample" if missing.size else f"labels run to {top}"
        raise InvalidInputError(
            f"{train.features.name}: {which}, but {features.features.name} has classes 0 .. {K - 1}; give training "
            "features of the same classes, or --classes K"
        )
    return replace(train, classes=K)


def _identity(features: FeatureSet, what: Measuring, full: bool) -> Iterator[bytes]:
    """What the statistics depend on, for checkpoints."""
    yield repr((features.chosen, features.classes, what.normalize, full, what.identity)).encode()
    yield features.labels.tobytes()
    yield repr(features.features).encode()  # a stored source shows its file's path, size and time of change
    yield from (b"" if array is None else array.tobytes() for array in (features.classifier, features.bias))


def _listed(which: NDArray[np.bool_]) -> str:
    """The first few places of a mask."""
    places = np.flatnonzero(which)
    few = ", ".join(map(str, places[:10].tolist()))
    return few if len(places) <= 10 else f"{few} and {len(places) - 10} more"
