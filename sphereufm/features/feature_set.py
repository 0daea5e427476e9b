"""Features, labels and classifier of a trained network, checked and ready to stream.

Files hold features as rows ``(N, d)`` and classifiers as rows ``(K, d)``, as frameworks save them.

========  ==========  ====================================
symbol    shape       meaning
========  ==========  ====================================
``H^T``   ``(N, d)``  penultimate features, one row each
``y``     ``(N,)``    labels ``0 .. K - 1``
``W^T``   ``(K, d)``  last layer's weights, one row a class
``b``     ``(K,)``    last layer's bias
========  ==========  ====================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sphereufm.errors import InvalidInputError, as_array, check_array, check_integer
from sphereufm.features.labels import Decoded, LabelRules, check_decoded, read_labels
from sphereufm.features.readers.limits import printable
from sphereufm.features.readers.source import (
    ArraySource,
    MemorySource,
    finite_blocks,
    usable,
)
from sphereufm.features.readers.views import kept_rows, pooled, stored_rounding, transposed
from sphereufm.notebook import counted

LAST_LAYER = ("classifier", "bias")
"""Roles whose arrays a training file may lend to held-out features."""

Transposed: TypeAlias = Literal["features", "classifier"]

_MOST_EMPTY = 65_536  # classes without samples, each of which takes as much memory as others


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How arrays that are not ``(N, d)``, ``(N,)`` and ``(K, d)`` as they lie are to be taken."""

    pool: Literal["mean"] | None = None  #: average features ``(N, C, H, W)`` over their places
    #: Which of ``"features"`` ``(d, N)`` and ``"classifier"`` ``(d, K)`` lie in columns.
    transpose: tuple[Transposed, ...] = ()
    #: Labels to leave out, and whether to number them anew.
    labels: LabelRules = field(default_factory=LabelRules)

    def __post_init__(self) -> None:
        if self.pool not in (None, "mean") or not {*self.transpose} <= {"features", "classifier"}:
            fact = f"pool={self.pool!r} must be None or 'mean', and transpose={self.transpose!r} a tuple of "
            raise InvalidInputError(f"{fact}'features' and 'classifier'; name those")

    def shaped(self, source: ArraySource) -> ArraySource:
        """The features as a matrix of rows, real numbers."""
        if usable(source).dtype.kind not in "fiu":
            fact = f"{source.name} has type {source.dtype}, but features must be real numbers"
            raise InvalidInputError(f"{fact}; name others as FILE:KEY")
        matrix = pooled(source, self.pool)
        if "features" in self.transpose:
            matrix = transposed(matrix)
        if len(matrix.shape) != 2 or 0 in matrix.shape:
            raise InvalidInputError(
                f"{source.name} has shape {matrix.shape}, but features must be (N, d), one row a sample; flatten them, "
                "or name others as FILE:KEY"
            )
        return matrix


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureSet:
    """Saved features with all that belongs to them.

    Attributes
    ----------
    features : ArraySource
        Shape ``(N, d)``, real; entries are checked for NaN and infinity while they stream
        (:func:`~sphereufm.features.finite_blocks`).
    labels : ndarray of intp, shape (N,)
        Class numbers, read-only.
    classes : int
        Number of classes K, at least 2; some may have no sample.
    classifier, bias : ndarrays of float64, shapes (K, d) and (K,), or None
        Weights of the last layer and its bias, read-only.
    chosen : tuple of str
        What was read for which role, to be printed: ``"features: f.npz:feats (60000, 512) float32"``.
    class_names : tuple of str or None
        The file's own labels, where they are not the class numbers.
    unused : tuple of str
        Arrays of the file that look as if they could have played a role, and did not.
    notes : tuple of str
        What was done to the arrays.
    rounding : float
        Relative rounding of features and classifier as they were stored: ``2^-24`` for float32.

    Examples
    --------
    >>> saved = feature_set_from_arrays([[1.0, 0.0], [0.0, 1.0]], [0, 1], classifier=[[1.0, 0.0], [0.0, 1.0]])
    >>> saved.features.shape, saved.labels, saved.bias
    ((2, 2), array([0, 1]), None)
    """

    features: ArraySource
    labels: NDArray[np.intp]
    classes: int
    classifier: NDArray[np.float64] | None
    bias: NDArray[np.float64] | None
    chosen: tuple[str, ...]
    class_names: tuple[str, ...] | None = None
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rounding: float = 0.0

    def __repr__(self) -> str:
        rows, dim = self.features.shape
        parts = [name for name in LAST_LAYER if getattr(self, name) is not None]
        held = ", ".join(["", *parts])
        return f"<FeatureSet: {counted(rows, 'sample')} in R^{dim}, {counted(self.classes, 'class', 'classes')}{held}>"

    def with_last_layer_of(self, other: FeatureSet) -> FeatureSet:
        """The same features with the training file's classifier, bias and classes, where they have no classifier."""
        if self.classifier is not None or other.classifier is None:
            return self
        lines = [f"{line}, of the training file" for line in other.chosen if line.startswith(LAST_LAYER)]
        own: dict[str, Any] = {"classifier": other.classifier, "bias": other.bias, "classes": other.classes}
        return replace(self, chosen=(*self.chosen, *lines), **own)


def feature_set_from_arrays(
    features: ArrayLike,
    labels: ArrayLike,
    classifier: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    classes: int | None = None,
    reading: Reading | None = None,
) -> FeatureSet:
    """Make a feature set of arrays in memory, with the checks of :func:`~sphereufm.features.load_features`.

    Parameters
    ----------
    features : array_like, shape (N, d)
        Real numbers, one row a sample; not copied if it is an array.
    labels : array_like, shape (N,)
        Class numbers from 0, or names of classes, or one-hot rows ``(N, K)``.
    classifier, bias : array_like, shapes (K, d) and (K,), optional
        Weights of the last layer and its bias.
    classes : int, optional
        Number of classes; else the classifier's rows, else the largest label plus one.
    reading : Reading, optional
        Pooling, transposition, labels to leave out.

    Raises
    ------
    InvalidInputError
        As for :func:`~sphereufm.features.load_features`.

    Examples
    --------
    >>> feature_set_from_arrays([[1.0, 0.0], [0.0, 1.0]], [0, 1]).classes
    2
    """
    how = reading or Reading()
    if features is None or labels is None:
        raise InvalidInputError("features and labels must both be given")
    given = {"labels": labels, "classifier": classifier, "bias": bias}
    sources = {role: None if array is None else in_memory(role, array) for role, array in given.items()}
    return assemble(how.shaped(in_memory("features", features)), sources, classes, how)


def assemble(
    features: ArraySource,
    others: Mapping[str, ArraySource | None],
    classes: int | None,
    reading: Reading,
    named: bool = True,
    decoded: Decoded | None = None,
) -> FeatureSet:
    """Check that the arrays of the four roles fit, cheap facts first, and read the small ones.

    ``named``: the caller named the labels' array; ``decoded``: labels that were read before.
    """
    truth, head, shift = (others[role] for role in ("labels", "classifier", "bias"))
    if head is not None and "classifier" in reading.transpose:
        head = transposed(head)
    weights = None if head is None else _small("classifier", head, (classes, features.shape[1]))
    if weights is None and shift is not None:
        lone = f"{shift.name} is given as bias, but there is no classifier that it belongs to"
        raise InvalidInputError(f"{lone}; give --classifier too")
    count = classes if weights is None else weights.shape[0]
    offsets = None if shift is None else _small("bias", shift, (count,))
    if count is not None:
        check_integer("classes", count, 2, "collapse compares classes, so two are needed")
        if weights is None and count > features.shape[0] + _MOST_EMPTY:
            fact = f"classes={count} leaves more than {_MOST_EMPTY} classes without samples"
            raise InvalidInputError(f"{fact}; give fewer, or number the labels anew with --remap-labels")
    name = "the classifier's choice" if truth is None else truth.name
    if truth is None:
        if reading.labels != LabelRules():
            raise InvalidInputError(
                "without labels there are none to leave out or to number anew; leave out --ignore-label and "
                "--remap-labels, or give --labels"
            )
        decoded = _chosen_by_classifier(features, weights, offsets)
    elif decoded is None:
        decoded = read_labels(truth, features.shape, reading.labels)
    if decoded.names is not None and count is not None and len(decoded.names) > count:
        raise InvalidInputError(
            f"{name} has {len(decoded.names)} different labels, but there are {count} classes; name other "
            "--labels, or another --classifier"
        )
    found = check_decoded(name, decoded, count, named)
    if found.keep is not None:
        features = replace(kept_rows(features, found.keep), name=f"{features.name} (kept rows)")
    used = {"features": features, "labels": truth, "classifier": head, "bias": shift}
    return FeatureSet(
        features=features,
        labels=found.labels,
        classes=int(found.labels.max()) + 1 if count is None else int(count),
        classifier=weights,
        bias=offsets,
        chosen=tuple(_line(role, source) for role, source in used.items() if source is not None),
        class_names=found.names,
        notes=found.notes,
        rounding=max(stored_rounding(s) for s in (features, head) if s is not None),
    )


def in_memory(role: str, given: ArrayLike) -> MemorySource:
    """Wrap numbers that the caller gave."""
    return MemorySource(name=role, array=as_array(role, given))


def _line(role: str, source: ArraySource) -> str:
    """What was read for a role, with the columns of a table and the stored type where they are not plain."""
    dtype, stored = source.dtype.name, getattr(source, "stored", source.dtype).name
    kind = dtype if stored == dtype else f"{dtype} (stored as {stored})"
    columns = [printable(column, 80) for column in getattr(source, "columns", ())]
    few = columns if len(columns) <= 12 else [*columns[:5], "...", *columns[-5:]]
    listed = f"; columns {', '.join(few)}" if columns else ""
    return f"{role}: {source.name} {source.shape} {kind}{listed}"


def _small(role: str, source: ArraySource, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """Read and check the classifier or its bias; the shape is checked before anything is read."""
    held = usable(source).shape
    while len(held) > len(shape) and held[-1] == 1:  # a convolution of one place is a linear layer
        held = held[:-1]
    fits = len(held) == len(shape) and all(w is None or w == got for w, got in zip(shape, held, strict=True))
    if not fits or 0 in held:
        wanted = ", ".join("K" if s is None else str(s) for s in shape) + ("," if len(shape) == 1 else "")
        turned = len(held) == 2 and held[0] == shape[-1] and role == "classifier"
        hint = "it would fit transposed: --transpose classifier" if turned else f"name another with --{role}"
        fact = f"{source.name} has shape {source.shape}, but the {role} must be ({wanted}), one row a class"
        raise InvalidInputError(f"{fact}; {hint}")
    array = np.array(check_array(source.name, source.read())).reshape(held)
    array.setflags(write=False)
    return array


def _chosen_by_classifier(
    features: ArraySource, weights: NDArray[Any] | None, bias: NDArray[Any] | None
) -> Decoded:
    """Labels where there are none: the classifier's own choices."""
    if weights is None:
        raise InvalidInputError(
            "labels none: without labels the classifier's choices stand for them, but there is no classifier; give "
            "--classifier or --labels"
        )
    # no choice changes with the scale, and no logit overflows
    scale = max(np.abs(weights).max(), 0.0 if bias is None else np.abs(bias).max()) or 1.0
    W, offsets = weights.T / scale, 0.0 if bias is None else bias / scale
    choices = [(block @ W + offsets).argmax(axis=1) for block in finite_blocks(features, 4096)]
    note = "there are no labels: each sample counts to the class that the classifier chooses"
    return Decoded(labels=np.concatenate(choices), keep=None, names=None, notes=(note,))
