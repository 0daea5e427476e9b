"""Neural collapse of saved features: NC1 to NC4, their variants, and what is undefined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError
from sphereufm.features.feature_set import FeatureSet
from sphereufm.features.metrics import frames
from sphereufm.features.metrics.checkpoint import Checkpoint
from sphereufm.features.metrics.companion import Companion
from sphereufm.features.metrics.one_vs_rest import one_vs_rest as hull_distance
from sphereufm.features.metrics.result import CollapseMetrics
from sphereufm.features.metrics.statistics import Array, ClassMoments, Scatter
from sphereufm.features.metrics.streaming import Streaming, first_pass, second_pass
from sphereufm.features.metrics.variability import Variability, class_frame, effective_rank, variability

__all__ = ["Measuring", "collapse_metrics", "measure_collapse"]

# the whole covariance costs d^2 a sample: up to this dimension it is cheap
_COVARIANCE_DIMENSION = 512
# singular values of the class means this much smaller than the largest carry NC1 by themselves
_SINGULAR = 1e-4
_HELD_OUT = {
    "nc1": "tr(Sigma_W pinv(Sigma_B)) / K; Sigma_B and class means of the training, Sigma_W of these about them",
    "means": "class means, NC2 and NC3 are those of the training features",
}
# K programs of K variables each: seconds up to here
_ONE_VS_REST_CLASSES = 1024


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
        If a feature holds NaN or infinity, lengths leave the range 1e-100 to 1e100, or a checkpoint belongs to
        something else.

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
    how = Measuring(normalize=normalize, covariance=covariance, one_vs_rest=one_vs_rest)
    return measure_collapse(features, how, streaming, train=train)


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """What is measured: the options of :func:`collapse_metrics`, and whatever else a companion's sums depend on."""

    normalize: bool = False
    covariance: bool | None = None
    one_vs_rest: bool | None = None
    identity: str = ""


def measure_collapse(
    features: FeatureSet,
    what: Measuring,
    streaming: Streaming | None = None,
    companion_for: Callable[[ClassMoments], Companion | None] | None = None,
    train: FeatureSet | None = None,
) -> CollapseMetrics:
    """Measure neural collapse, and let a companion gather what it wants in the second pass.

    With ``train`` the features are held out: class means, Sigma_B, NC2 and NC3 are those of the training features, and
    what is counted or spreads is the features'.

    ``companion_for``: makes the companion when the first pass has measured the lengths of the features; None for
    no companion.  ``train``: training features of the same layer.  Raises InvalidInputError as
    :func:`collapse_metrics`, and if training features have another width, or lack a class of the features.
    """
    how = streaming or Streaming()
    normalize, covariance, one_vs_rest = what.normalize, what.covariance, what.one_vs_rest
    full = features.features.shape[1] <= _COVARIANCE_DIMENSION if covariance is None else covariance
    if train is not None:
        features = features.with_last_layer_of(train)
    measured = features if train is None else _fitting(train, features)
    classifier, bias = _last_layer(features, normalize)
    identity = [*_identity(features, what, full), *([] if train is None else _identity(train, what, full))]
    kept = Checkpoint(how.checkpoint, identity)
    moments = first_pass(measured, normalize, how, kept)
    counts = moments.counts if train is None else np.bincount(features.labels, minlength=features.classes)
    frame, s = class_frame(moments, classifier, bias, full)
    companion = None if companion_for is None else companion_for(moments)
    spread = second_pass(features, frame, normalize, how, kept, companion)
    kept.remove()
    present = frame.present
    means = moments.means[present]
    sample_mean = moments.sums.sum(axis=0) / moments.counts.sum()
    vectors = _Vectors(
        classifier=classifier,
        own=None if classifier is None else classifier[present],
        # exact differences; coincident means are zero, not rounding noise
        centred=means - sample_mean if s.size else np.zeros_like(means),
        uncentred=moments.base[present],
    )
    if not np.isfinite(spread.squares).all():
        raise InvalidInputError(
            f"{features.features.name} has rows whose squares overflow; rescale the features"
        )
    found = _Measured(variability(moments, frame, s, spread, counts), vectors, moments, spread, counts)
    found.held_out = train is not None
    wanted = features.classes <= _ONE_VS_REST_CLASSES if one_vs_rest is None else one_vs_rest
    return found.metrics(frame.places[present], s, normalize, full, wanted)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Vectors:
    """Classifier rows, those of the classes that have samples, and class means about the sample mean and zero."""

    classifier: Array | None
    own: Array | None
    centred: Array
    uncentred: Array


class _Measured:
    """Puts what both passes found under the names of the literature."""

    def __init__(
        self,
        spread_measures: Variability,
        vectors: _Vectors,
        moments: ClassMoments,
        spread: Scatter,
        counts: NDArray[np.intp],
    ) -> None:
        self.counts, self.held_out = counts, False
        self.variability = spread_measures
        self.vectors = vectors
        self.moments = moments
        self.spread = spread

    def metrics(self, places: Array, s: Array, normalize: bool, full: bool, hulls: bool) -> CollapseMetrics:
        """Assemble the result."""
        v, N = self.vectors, int(self.counts.sum())
        has_means, given = s.size > 0, v.classifier is not None
        nc2_of = v.classifier if v.classifier is not None else v.centred
        hits = self.spread.agreements if given else self.spread.mean_hits
        main = {
            "nc1": self.variability.nc1,
            "nc2": frames.simplex_distance(nc2_of),
            "nc3": None if v.own is None else frames.duality_distance(v.own, v.uncentred),
            "nc4": hits / N if has_means and hits is not None else None,
        }
        variants = self._variants(has_means, hulls)
        within = np.array(np.linalg.eigvalsh(self.spread.products / N)[::-1], dtype=np.float64)
        between = np.square(s) / len(places)
        variants |= {
            "effective_rank_between": effective_rank(between),
            "effective_rank_within": effective_rank(within) if full else None,
        }
        return CollapseMetrics(
            **main,
            class_counts=tuple(int(n) for n in self.counts),
            variants=variants,
            conventions=_conventions(given, normalize) | (_HELD_OUT if self.held_out else {}),
            undefined=_undefined(main | variants, has_means, given, full, hulls),
            notes=(*self._notes(normalize), *self._pinv_note(s)),
            normalized=normalize,
            means=places,
            within_spectrum=within,
            between_spectrum=between,
            class_nc1=self.variability.of_classes,
            class_cosines=self._class_cosines(),
        )

    def _class_cosines(self) -> Array:
        """Cosine of each classifier row with the centred mean of its class; NaN without one, or where one is zero."""
        found = np.full(len(self.moments.counts), np.nan)
        v = self.vectors
        if v.own is not None:
            lengths = np.linalg.norm(v.own, axis=1) * np.linalg.norm(v.centred, axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                cosines = np.einsum("kd,kd->k", v.own, v.centred) / lengths
            found[self.moments.counts > 0] = np.clip(cosines, -1.0, 1.0)
        return found

    def _pinv_note(self, s: Array) -> tuple[str, ...]:
        """What the pseudo-inverse of Sigma_B kept, where it had to choose or is sensitive to what it kept."""
        most = min(len(self.vectors.centred) - 1, self.moments.centre.size)
        if not s.size or (s.size == most and s[-1] > _SINGULAR * s[0]):
            return ()
        return (
            f"Sigma_B is nearly singular: its pseudo-inverse kept {s.size} of at most {most} directions, with "
            f"eigenvalues down to {(s[-1] / s[0]) ** 2:.2g} of the largest; NC1 depends on the smallest of them",
        )

    def _variants(self, has_means: bool, hulls: bool) -> dict[str, float | None]:
        """Every other convention."""
        v, r = self.vectors, self.variability
        N, classes = int(self.counts.sum()), len(v.centred)
        found: dict[str, float | None] = {
            "nc1_undivided": None if r.nc1 is None else r.nc1 * classes,
            "nc1_class_mean_centred": r.nc1_class_mean_centred,
            "nc1_trace_ratio": r.trace_ratio,
            "nc1_class_averaged": r.class_averaged,
            "cdnv": r.cdnv,
            "vci": r.vci,
            "nc4_labels": self.spread.mean_hits / N if has_means else None,
            **_frame_measures("means", v.centred, hulls),
            "nc2_means_class_centred": frames.simplex_distance(v.centred - v.centred.mean(axis=0)),
            **_cosine_range(v.uncentred),
        }
        if v.classifier is not None and v.own is not None and self.spread.classifier_hits is not None:
            W = v.classifier
            found |= {
                "ncc_mismatch": 1.0 - (self.spread.agreements or 0) / N if has_means else None,
                **_frame_measures("classifier", W, hulls),
                "nc2_classifier_centred": frames.simplex_distance(W - W.mean(axis=0)),
                "nc3_centred": frames.duality_distance(v.own, v.centred),
                "nc3_difference": frames.frame_difference(v.own, v.centred),
                "nc3_rotated": frames.rotated_difference(v.own, v.centred),
                "classifier_accuracy": self.spread.classifier_hits / N,
            }
        return found

    def _notes(self, normalize: bool) -> tuple[str, ...]:
        """What a reader must know."""
        counts, d = self.moments.counts, self.moments.centre.size
        K = int(np.count_nonzero(counts))
        notes = []
        if counts.size > K:
            notes.append(
                f"classes without samples, left out of means: {_listed(np.flatnonzero(counts == 0))}"
            )
        if (counts == 1).any():
            notes.append(f"classes of one sample, of variance zero: {_listed(np.flatnonzero(counts == 1))}")
        if self.moments.zero_rows:
            what = "kept as zero, they have no direction" if normalize else "they have no direction"
            notes.append(f"zero features: {self.moments.zero_rows}; {what}")
        if d < K - 1:
            notes.append(
                f"d={d} is below K - 1 = {K - 1}: no simplex frame exists, NC2 and NC3 cannot be zero"
            )
        if K == 2:
            notes.append("two classes: centred class means are always a simplex frame, up to their weights")
        if self.moments.least_entry >= 0.0:
            notes.append(
                "features are entrywise nonnegative (as after a ReLU): they cannot be a simplex frame"
            )
        return tuple(notes)


def _frame_measures(of: str, A: Array, hulls: bool) -> dict[str, float | None]:
    """Distances of one set of vectors from simplex and uniform frames."""
    uniform = frames.uniformity(A)
    hull = hull_distance(A) if hulls and A.any() else None
    return {
        f"nc2_{of}": frames.simplex_distance(A),
        f"equinorm_{of}": frames.equinorm(A),
        f"equiangularity_{of}": frames.equiangularity(A),
        f"uniformity_log_{of}": None if uniform is None else uniform[0],
        f"uniformity_inverse_{of}": None if uniform is None else uniform[1],
        f"one_vs_rest_{of}": None if hull is None else hull.distance,
        f"one_vs_rest_gap_{of}": None if hull is None else hull.gap,
    }


def _cosine_range(A: Array) -> dict[str, float | None]:
    """Mean, least and largest cosine between uncentred class means."""
    pairs = frames.cosines(A)
    names = ("mean", "min", "max")
    values = [None] * 3 if pairs is None else [float(f(pairs)) for f in (np.mean, np.min, np.max)]
    return {f"uncentred_cosine_{name}": value for name, value in zip(names, values, strict=True)}


def _fitting(train: FeatureSet, features: FeatureSet) -> FeatureSet:
    """The training features, with as many classes as the held-out ones."""
    (_, d), K = features.features.shape, features.classes
    if train.features.shape[1] != d:
        raise InvalidInputError(
            f"{train.features.name} has d={train.features.shape[1]}, but {features.features.name} has d={d}; give "
            "training features of the same layer with --train"
        )
    missing = np.setdiff1d(features.labels, train.labels)
    if missing.size or int(train.labels.max()) >= K:
        which = (
            f"class {int(missing[0])} has no sample"
            if missing.size
            else f"labels run to {train.labels.max()}"
        )
        raise InvalidInputError(
            f"{train.features.name}: {which}, but {features.features.name} has classes 0 .. {K - 1}; give training "
            "features of the same classes, or --classes K"
        )
    return replace(train, classes=K)


def _last_layer(features: FeatureSet, normalize: bool) -> tuple[Array | None, Array | None]:
    """Classifier rows and bias as they are measured."""
    W = features.classifier
    if W is None or not normalize:
        return W, features.bias
    lengths = np.linalg.norm(W, axis=1)
    if not (lengths > 0.0).all():
        raise InvalidInputError(
            f"classifier row {int(np.argmin(lengths))} is zero and has no direction; leave out --normalize"
        )
    return W / lengths[:, None], None


def _identity(features: FeatureSet, what: Measuring, full: bool) -> list[bytes]:
    """What the statistics depend on, for checkpoints."""
    options = (features.chosen, features.classes, what.normalize, full, what.identity)
    parts = [repr(options).encode(), features.labels.tobytes()]
    # a stored source shows its file's path, size and time of change
    parts.append(repr(features.features).encode())
    parts += [b"" if array is None else array.tobytes() for array in (features.classifier, features.bias)]
    return parts


def _conventions(given: bool, normalize: bool) -> dict[str, str]:
    """Formula and conventions, as printed."""
    frame = "classifier rows, not centred" if given else "class means about the sample mean"
    choice = "the classifier's choice" + (" (bias left out)" if normalize else " (with its bias)")
    return {
        "nc1": "tr(Sigma_W pinv(Sigma_B)) / K; Sigma_W over samples, Sigma_B over classes about the sample mean",
        "nc2": f"distance of the normalised Gram matrix from a simplex frame's; of the {frame}",
        "nc3": "the same distance for classifier times class means, not centred",
        "nc4": f"share of samples whose nearest class mean is {choice if given else 'that of their label'}",
        "features": "rows divided by their lengths" if normalize else "as saved",
    }


def _undefined(
    values: dict[str, float | None], has_means: bool, given: bool, full: bool, hulls: bool
) -> dict[str, str]:
    """A reason for every None."""
    reasons = {}
    for name in (name for name, value in values.items() if value is None):
        if name == "nc3" and not given:
            reasons[name] = "no classifier was given"
        elif name.startswith("one_vs_rest") and not hulls:
            reasons[name] = f"not computed above {_ONE_VS_REST_CLASSES} classes unless asked for"
        elif name in ("vci", "effective_rank_within") and not full:
            reasons[name] = f"not computed above d={_COVARIANCE_DIMENSION} unless the covariance is asked for"
        elif not has_means:
            reasons[name] = "all class means coincide"
        elif name == "vci":
            reasons[name] = (
                "the scatter is known to rounding only where it counts; rescale or whiten the features"
            )
        else:
            reasons[name] = "two vectors coincide, or one is zero"
    return reasons


def _listed(numbers: Array | Any) -> str:
    """The first few numbers."""
    few = ", ".join(str(int(n)) for n in numbers[:10])
    return few if len(numbers) <= 10 else f"{few} and {len(numbers) - 10} more"
