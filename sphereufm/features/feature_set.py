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

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sphereufm.errors import InvalidInputError, check_array, check_integer, check_labels
from sphereufm.features.readers import (
    ArraySource,
    MemorySource,
    RefusedSource,
    is_path,
    open_arrays,
    split_spec,
)
from sphereufm.features.readers.keys import Role, choose_key, describe, find_key, sibling_bias

__all__ = ["FeatureSet", "feature_set_from_arrays", "load_features"]

Given: TypeAlias = "str | os.PathLike[str] | ArrayLike | None"


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureSet:
    """Saved features with all that belongs to them.

    Attributes
    ----------
    features : ArraySource
        Shape ``(N, d)``, real; entries are checked for NaN and infinity while they stream
        (:func:`~sphereufm.features.readers.finite_blocks`).
    labels : ndarray of intp, shape (N,)
        Class numbers, read-only.
    classes : int
        Number of classes K, at least 2; some may have no sample.
    classifier : ndarray of float64, shape (K, d), or None
        Weights of the last layer, read-only.
    bias : ndarray of float64, shape (K,), or None
        Its bias, read-only.
    chosen : tuple of str
        What was read for which role, to be printed: ``"features: f.npz:feats (60000, 512) float32"``.

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

    def __repr__(self) -> str:
        rows, dim = self.features.shape
        parts = [name for name in ("classifier", "bias") if getattr(self, name) is not None]
        held = ", ".join(["", *parts])
        return f"<FeatureSet: {rows} samples in R^{dim}, {self.classes} classes{held}>"


def load_features(
    path: str | os.PathLike[str],
    labels: Given = None,
    classifier: Given = None,
    bias: Given = None,
    classes: int | None = None,
) -> FeatureSet:
    """Open saved features and read the labels and the classifier that belong to them.

    Parameters
    ----------
    path : str or path
        ``"FILE"`` or ``"FILE:KEY"`` with the features, see :func:`~sphereufm.features.readers.open_arrays`.
    labels, classifier, bias : str, path or array_like, optional
        A key in the same file, another ``"FILE"`` or ``"FILE:KEY"``, or the numbers themselves. Without
        them the file's conventional keys are used; a bias is also taken from beside the classifier.
    classes : int, optional
        Number of classes; else the classifier's rows, else the largest label plus one.

    Raises
    ------
    UnreadableFileError
        If a file is missing, damaged, or refused for safety.
    InvalidInputError
        If a key is not there, a shape or type does not fit, labels are out of range or of the wrong
        length, or there is a single class.

    Examples
    --------
    >>> import tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "f.npz")
    ...     np.savez(path, feat_list=np.ones((4, 2)), label_list=np.array([0, 1, 0, 1]))
    ...     load_features(path).chosen
    ('features: f.npz:feat_list (4, 2) float64', 'labels: f.npz:label_list (4,) int64')
    """
    place, key = split_spec(path)
    arrays = open_arrays(place)
    key = choose_key(arrays, "features", key)
    others = {k: array for k, array in arrays.items() if k != key}
    if labels is None and find_key(others, "labels") is None and not _lone_labels(others):
        raise InvalidInputError(
            f"labels=None, but {os.path.basename(place)} has no labels; give labels=FILE or labels=KEY. "
            f"It holds {describe(arrays)}"
        )
    label_source = _source(others, "labels", labels if labels is not None else choose_key(others, "labels"))
    weights, beside = _classifier_source(others, classifier)
    bias_source = _source(others, "bias", bias) if bias is not None else beside
    return _check(arrays[key], label_source, weights, bias_source, classes)


def feature_set_from_arrays(
    features: ArrayLike,
    labels: ArrayLike,
    classifier: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    classes: int | None = None,
) -> FeatureSet:
    """Make a feature set of arrays in memory, with the checks of :func:`load_features`.

    Parameters
    ----------
    features : array_like, shape (N, d)
        Real numbers, one row a sample; not copied if it is an array.
    labels : array_like, shape (N,)
        Class numbers from 0.
    classifier : array_like, shape (K, d), optional
        Weights of the last layer.
    bias : array_like, shape (K,), optional
        Its bias.
    classes : int, optional
        Number of classes; else the classifier's rows, else the largest label plus one.

    Raises
    ------
    InvalidInputError
        As for :func:`load_features`.

    Examples
    --------
    >>> feature_set_from_arrays([[1.0, 0.0], [0.0, 1.0]], [0, 1]).classes
    2
    """
    given = {"features": features, "labels": labels, "classifier": classifier, "bias": bias}
    sources = {role: None if array is None else _in_memory(role, array) for role, array in given.items()}
    found, truth = sources["features"], sources["labels"]
    if found is None or truth is None:
        raise InvalidInputError("features and labels must both be given")
    return _check(found, truth, sources["classifier"], sources["bias"], classes)


def _check(
    features: ArraySource,
    label_source: ArraySource,
    classifier: ArraySource | None,
    bias: ArraySource | None,
    classes: int | None,
) -> FeatureSet:
    """Check that the parts fit, cheap facts first, and read the small ones."""
    samples, dimension = _features_shape(features)
    weights = None if classifier is None else _small("classifier", classifier, (classes, dimension))
    count = classes if weights is None else weights.shape[0]
    offsets = None if bias is None else _small("bias", bias, (count,))
    if count is None and offsets is not None:
        count = offsets.shape[0]
    if count is not None:
        check_integer("classes", count, 2, "collapse compares classes, so two are needed")
    truth = _labels(label_source, samples, count)
    chosen = {"features": features, "labels": label_source, "classifier": classifier, "bias": bias}
    return FeatureSet(
        features=features,
        labels=truth,
        classes=int(truth.max()) + 1 if count is None else int(count),
        classifier=weights,
        bias=offsets,
        chosen=tuple(f"{r}: {s.name} {s.shape} {s.dtype}" for r, s in chosen.items() if s is not None),
    )


def _features_shape(features: ArraySource) -> tuple[int, int]:
    """N and d of the features."""
    if isinstance(features, RefusedSource):
        features.refuse()
    if len(features.shape) != 2 or 0 in features.shape:
        raise InvalidInputError(
            f"{features.name} has shape {features.shape}, but features must be (N, d), one row a sample; "
            "flatten or transpose them"
        )
    if features.dtype.kind not in "fiu":
        raise InvalidInputError(
            f"{features.name} has type {features.dtype}, but features must be real numbers"
        )
    return features.shape[0], features.shape[1]


def _labels(source: ArraySource, samples: int, classes: int | None) -> NDArray[np.intp]:
    """Read and check the labels; at least two classes must be present."""
    if isinstance(source, RefusedSource):
        source.refuse()
    if source.shape != (samples,):
        raise InvalidInputError(
            f"{source.name} has shape {source.shape}, but labels must be ({samples},), one for each feature"
        )
    labels = check_labels(source.name, source.read(), classes, samples)
    if classes is None and int(labels.max()) >= max(samples, 2):
        raise InvalidInputError(
            f"{source.name} runs to {int(labels.max())} with {samples} samples; give classes=K if that is meant"
        )
    if (labels == labels[0]).all():
        raise InvalidInputError(
            f"{source.name} has the single class {int(labels[0])}; collapse compares classes, so two are needed"
        )
    labels.setflags(write=False)
    return labels


def _small(role: str, source: ArraySource, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """Read and check the classifier or its bias; the shape is checked before anything is read."""
    if isinstance(source, RefusedSource):
        source.refuse()
    fits = len(source.shape) == len(shape) and all(
        wanted is None or wanted == got for wanted, got in zip(shape, source.shape, strict=True)
    )
    if not fits or 0 in source.shape:
        wanted_text = ", ".join("K" if s is None else str(s) for s in shape)
        raise InvalidInputError(
            f"{source.name} has shape {source.shape}, but the {role} must be ({wanted_text}), one row a class"
        )
    array = np.array(check_array(source.name, source.read()))
    array.setflags(write=False)
    return array


def _classifier_source(
    arrays: Mapping[str, ArraySource], given: Given
) -> tuple[ArraySource | None, ArraySource | None]:
    """The classifier, and the bias that lies beside it."""
    if given is not None and not isinstance(given, (str, os.PathLike)):
        return _in_memory("classifier", given), None
    if given is not None and not (isinstance(given, str) and given in arrays):
        place, key = split_spec(given)
        arrays = open_arrays(place)
        key = choose_key(arrays, "classifier", key)
    else:
        key = str(given) if given is not None else find_key(arrays, "classifier")
    if key is None:
        return None, None
    names = [sibling_bias(key)] if "." in key else [sibling_bias(key), "bias"]
    beside = next((k for k in names if k in arrays and k != key), None)
    return arrays[key], None if beside is None else arrays[beside]


def _source(arrays: Mapping[str, ArraySource], role: Role, given: Given) -> ArraySource:
    """What the caller named for a role: a key of the same file, another file, or numbers."""
    if given is None or not isinstance(given, (str, os.PathLike)):
        return _in_memory(role, given)
    if isinstance(given, str) and given in arrays:
        return arrays[given]
    place, key = split_spec(given)
    if isinstance(given, str) and not is_path(place):
        raise InvalidInputError(
            f"{role}={given!r} must be a key of the features' file or another file; "
            f"that file also holds {describe(arrays) or 'nothing else'}"
        )
    found = open_arrays(place)
    return found[choose_key(found, role, key)]


def _in_memory(role: str, given: ArrayLike | None) -> MemorySource:
    """Wrap numbers that the caller gave."""
    try:
        return MemorySource(name=role, array=np.asarray(given))
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{role} is not a rectangular array of numbers: {error}") from error


def _lone_labels(arrays: Mapping[str, ArraySource]) -> bool:
    """Whether exactly one vector of integers could be the labels."""
    vectors = [a for a in arrays.values() if len(a.shape) == 1 and a.dtype.kind in "iu"]
    return len(vectors) == 1
