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
from sphereufm.features.metrics.companion import Companion
from sphereufm.features.metrics.one_vs_rest import one_vs_rest as hull_distance
from sphereufm.features.metrics.result import CollapseMetrics
from sphereufm.features.metrics.statistics import Array, ClassMoments, Frame, Scatter
from sphereufm.features.metrics.streaming import Checkpoint, Streaming, first_pass, last_layer, second_pass
from sphereufm.features.metrics.variability import class_frame, class_nc1, effective_rank, variability

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

    ``companion_for``: makes the companion, if there is one, when the first pass has measured the lengths of the
    features.
    """
    how = streaming or Streaming()
    full = features.features.shape[1] <= _COVARIANCE_DIMENSION if what.covariance is None else what.covariance
    if train is not None:
        features = features.with_last_layer_of(train)
    known = features if train is None else _fitting(train, features)
    W, bias = last_layer(features, what.normalize)
    measured = [features] if train is None else [features, train]
    kept = Checkpoint(how.checkpoint, [part for data in measured for part in _identity(data, what, full)])
    moments = first_pass(known, what.normalize, how, kept)
    frame = class_frame(moments, W, bias, full)
    companion = None if companion_for is None else companion_for(moments)
    spread = second_pass(features, frame, what.normalize, how, kept, companion)
    kept.remove()
    if not np.isfinite(spread.squares).all():
        raise InvalidInputError(
            f"{features.features.name} has rows whose squares overflow; rescale the features"
        )
    centred = moments.means[moments.present] - moments.mean
    few = features.classes <= _ONE_VS_REST_CLASSES
    found = _Measured(
        counts=np.bincount(features.labels, minlength=features.classes),
        frame=frame,
        spread=spread,
        W=W,
        own=None if W is None else W[moments.present],
        # exact differences; coincident means are zero, not rounding noise
        centred=centred if frame.sizes.size else np.zeros_like(centred),
        hulls=few if what.one_vs_rest is None else what.one_vs_rest,
        normalize=what.normalize,
    )
    return found.metrics(held_out=train is not None)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measured:
    """What both passes found; it is put under the names of the literature."""

    counts: NDArray[np.intp]
    frame: Frame
    spread: Scatter
    W: Array | None  #: classifier rows
    own: Array | None  #: those of the classes that have samples
    centred: Array  #: class means about the sample mean
    hulls: bool
    normalize: bool

    def metrics(self, held_out: bool) -> CollapseMetrics:
        """Assemble the result."""
        frame, spread, N = self.frame, self.spread, int(self.counts.sum())
        spreads = variability(frame, spread, self.counts)
        given, has_means = self.W is not None, frame.sizes.size > 0
        hits = float(spread.agreements if given else spread.mean_hits)
        main = {
            "nc1": spreads.pop("nc1"),
            "nc2": frames.simplex_distance(self.centred if self.W is None else self.W),
            "nc3": None if self.own is None else frames.duality_distance(self.own, self._base),
            "nc4": hits / N if has_means else None,
        }
        within = np.array(np.linalg.eigvalsh(spread.products / N)[::-1], dtype=np.float64)
        between = np.square(frame.sizes) / len(self.centred)
        variants = {
            **spreads,
            **self._variants(N),
            "effective_rank_between": effective_rank(between),
            "effective_rank_within": effective_rank(within) if frame.full else None,
        }
        return CollapseMetrics(
            **main,
            class_counts=tuple(int(n) for n in self.counts),
            variants=variants,
            conventions=_conventions(given, self.normalize) | (_HELD_OUT if held_out else {}),
            undefined=_undefined(main | variants, has_means, given, frame.full, self.hulls),
            notes=self._notes(),
            normalized=self.normalize,
            means=frame.places[frame.moments.present],
            within_spectrum=within,
            between_spectrum=between,
            class_nc1=class_nc1(frame, spread, self.counts),
            class_cosines=self._class_cosines(),
        )

    @property
    def _base(self) -> Array:
        """Class means themselves."""
        return self.frame.moments.base[self.frame.moments.present]

    def _class_cosines(self) -> Array:
        """Cosine of each classifier row with the centred mean of its class; NaN without one, or where one is zero."""
        found = np.full(len(self.counts), np.nan)
        if self.own is not None:
            lengths = np.linalg.norm(self.own, axis=1) * np.linalg.norm(self.centred, axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                cosines = np.einsum("kd,kd->k", self.own, self.centred) / lengths
            found[self.frame.moments.present] = np.clip(cosines, -1.0, 1.0)
        return found

    def _variants(self, N: int) -> dict[str, float | None]:
        """Every other convention."""
        W, centred, spread = self.W, self.centred, self.spread
        has_means = self.frame.sizes.size > 0
        found: dict[str, float | None] = {
            "nc4_labels": float(spread.mean_hits) / N if has_means else None,
            **_frame_measures("means", centred, self.hulls),
            "nc2_means_class_centred": frames.simplex_distance(centred - centred.mean(axis=0)),
            **_cosine_range(self._base),
        }
        if W is not None and self.own is not None:
            found |= {
                "ncc_mismatch": 1.0 - float(spread.agreements) / N if has_means else None,
                **_frame_measures("classifier", W, self.hulls),
                "nc2_classifier_centred": frames.simplex_distance(W - W.mean(axis=0)),
                "nc3_centred": frames.duality_distance(self.own, centred),
                "nc3_difference": frames.frame_difference(self.own, centred),
                "nc3_rotated": frames.rotated_difference(self.own, centred),
                "classifier_accuracy": float(spread.classifier_hits) / N,
            }
        return found

    def _notes(self) -> tuple[str, ...]:
        """What a reader must know."""
        moments, s = self.frame.moments, self.frame.sizes
        counts = moments.counts
        d, K = moments.centre.size, len(self.centred)
        kept, most = "kept as zero, " if self.normalize else "", min(K - 1, d)
        said = {
            f"classes without samples, left out of means: {_listed(counts == 0)}": counts.size > K,
            f"classes of one sample, of variance zero: {_listed(counts == 1)}": (counts == 1).any(),
            f"zero features: {moments.zero_rows}; {kept}they have no direction": moments.zero_rows > 0,
            f"d={d} is below K - 1 = {K - 1}: no simplex frame exists, NC2 and NC3 cannot be zero": d < K - 1,
            "two classes: centred class means are always a simplex frame, up to their weights": K == 2,
            "features are entrywise nonnegative (as after a ReLU): they cannot be a simplex frame": (
                moments.least_entry >= 0.0
            ),
        }
        notes = [note for note, holds in said.items() if holds]
        # where the pseudo-inverse had to choose, or is sensitive to what it kept
        if s.size and (s.size < most or s[-1] <= _SINGULAR * s[0]):
            notes.append(
                f"Sigma_B is nearly singular: its pseudo-inverse kept {s.size} of at most {most} directions, with "
                f"eigenvalues down to {(s[-1] / s[0]) ** 2:.2g} of the largest; NC1 depends on the smallest of them"
            )
        return tuple(notes)


def _frame_measures(of: str, A: Array, hulls: bool) -> dict[str, float | None]:
    """Distances of one set of vectors from simplex and uniform frames."""
    logs, inverses = frames.uniformity(A) or (None, None)
    hull = hull_distance(A) if hulls and A.any() else None
    return {
        f"nc2_{of}": frames.simplex_distance(A),
        f"equinorm_{of}": frames.equinorm(A),
        f"equiangularity_{of}": frames.equiangularity(A),
        f"uniformity_log_{of}": logs,
        f"uniformity_inverse_{of}": inverses,
        f"one_vs_rest_{of}": None if hull is None else hull.distance,
        f"one_vs_rest_gap_{of}": None if hull is None else hull.gap,
    }


def _cosine_range(A: Array) -> dict[str, float | None]:
    """Mean, least and largest cosine between uncentred class means."""
    pairs = frames.cosines(A)
    measures: dict[str, Callable[[Array], Any]] = {"mean": np.mean, "min": np.min, "max": np.max}
    return {
        f"uncentred_cosine_{name}": None if pairs is None else float(f(pairs)) for name, f in measures.items()
    }


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
    reasons: dict[str, str] = {}
    for name in (name for name, value in values.items() if value is None):
        if name == "nc3" and not given:
            reason = "no classifier was given"
        elif name.startswith("one_vs_rest") and not hulls:
            reason = f"not computed above {_ONE_VS_REST_CLASSES} classes unless asked for"
        elif name in ("vci", "effective_rank_within") and not full:
            reason = f"not computed above d={_COVARIANCE_DIMENSION} unless the covariance is asked for"
        elif not has_means:
            reason = "all class means coincide"
        elif name == "vci":
            reason = "the scatter is known to rounding only where it counts; rescale or whiten the features"
        else:
            reason = "two vectors coincide, or one is zero"
        reasons[name] = reason
    return reasons


def _listed(which: NDArray[np.bool_]) -> str:
    """The first few places of a mask."""
    places = np.flatnonzero(which)
    few = ", ".join(map(str, places[:10].tolist()))
    return few if len(places) <= 10 else f"{few} and {len(places) - 10} more"
