"""Features from files: which array is what, who belongs to whom, and what was left over.

Labels are paired with features by the common words of their keys and by length; a classifier must fit the features'
width and the number of classes.  Where several arrays fit equally well nothing is guessed.  Whatever looks like one of
the four and was not used is listed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from sphereufm.errors import InvalidInputError
from sphereufm.features.feature_set import FeatureSet, Parts, Reading, assemble, features_shape, in_memory
from sphereufm.features.labels import Decoded, read_labels
from sphereufm.features.readers import ArraySource, RefusedSource, is_path, open_arrays, split_spec
from sphereufm.features.readers.keys import (
    choose_key,
    describe,
    find_labels,
    is_index,
    is_numbered,
    named_classifiers,
    role_and_stem,
    sibling_bias,
)

Given: TypeAlias = "str | os.PathLike[str] | ArrayLike | None"

_NONE = "none"
_MOST_UNUSED = 8


def load_features(
    path: str | os.PathLike[str],
    labels: Given = None,
    classifier: Given = None,
    bias: Given = None,
    classes: int | None = None,
    reading: Reading | None = None,
) -> FeatureSet:
    """Open saved features and read the labels and the classifier that belong to them.

    Parameters
    ----------
    path : str or path
        ``"FILE"`` or ``"FILE:KEY"`` with the features, see :func:`~sphereufm.features.readers.open_arrays`.
    labels, classifier, bias : str, path or array_like, optional
        A key in the same file, another ``"FILE"`` or ``"FILE:KEY"``, or the numbers themselves. Without them the keys
        of the file tell: labels by the words they share with the features' key and by their length, a classifier by
        its name and shape, a bias as lying beside the classifier. ``"none"`` leaves the classifier out, or takes the
        classifier's choices for labels.
    classes : int, optional
        Number of classes; else the classifier's rows, else the largest label plus one.
    reading : Reading, optional
        Pooling, transposition, labels to leave out or to number anew.

    Raises
    ------
    UnreadableFileError
        If a file is missing, damaged, or refused for safety.
    InvalidInputError
        If a key is not there, several arrays fit a role, a shape or type does not fit, labels are out of range or of
        the wrong length, or there is a single class.

    Examples
    --------
    >>> import tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "f.npz")
    ...     np.savez(path, feat_list=np.ones((4, 2)), label_list=np.array([0, 1, 0, 1]))
    ...     load_features(path).chosen
    ('features: f.npz:feat_list (4, 2) float64', 'labels: f.npz:label_list (4,) int64')
    """
    how = reading or Reading()
    place, named = split_spec(path)
    arrays = open_arrays(place)
    key = choose_key(arrays, "features", named)
    features = how.shaped(arrays[key])
    shelf = _Shelf(
        file=os.path.basename(place), key=key, arrays={k: a for k, a in arrays.items() if k != key}
    )
    samples = features_shape(features)[0]
    truth, label_key, sure = shelf.labels(labels, samples)
    if label_key is not None and hasattr(features, "without"):
        features = features.without({label_key})
    decoded = None if truth is None else read_labels(truth, features.shape, how.labels)
    wanted = _Wanted(
        width=features.shape[-1], classes=classes or _count(decoded), turned="classifier" in how.transpose
    )
    head, head_key, beside = shelf.classifier(classifier, wanted)
    offsets = shelf.source("bias", bias, samples) if bias is not None else beside
    taken = {label_key, head_key, *getattr(features, "columns", ())}
    parts = Parts(
        features=features,
        labels=truth,
        classifier=head,
        bias=offsets,
        labels_named=sure,
        unused=shelf.unused(taken | ({bias} if isinstance(bias, str) else set()), offsets, samples, wanted),
    )
    return assemble(parts, classes, how, decoded)


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What a classifier must fit: width of the features, number of classes, whether it lies in columns."""

    width: int
    classes: int | None
    turned: bool

    def fits(self, array: ArraySource) -> bool:
        """Whether an array has the shape of a classifier of these features."""
        shape = array.shape[:2][::-1] if self.turned else array.shape[:2]
        plain = len(shape) == 2 and all(n == 1 for n in array.shape[2:])
        return plain and shape[1] == self.width and shape[0] >= (self.classes or 2)

    def exactly(self, array: ArraySource) -> bool:
        """Whether it has a row for each class and no more."""
        return array.shape[1 if self.turned else 0] == self.classes


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shelf:
    """The arrays of the features' file but the features."""

    file: str
    key: str
    arrays: Mapping[str, ArraySource]

    def labels(self, given: Given, samples: int) -> tuple[ArraySource | None, str | None, bool]:
        """The labels, their key in this file, and whether the caller named the array."""
        if isinstance(given, str) and given == _NONE and _NONE not in self.arrays:
            return None, None, True
        if given is not None:
            own = given if isinstance(given, str) and given in self.arrays else None
            return self.source("labels", given, samples), own, True
        key = find_labels(self.arrays, self._pairing_key, samples) or self._lone_labels(samples)
        if key is None:
            raise InvalidInputError(
                f"labels=None, but beside the features {self.file} holds {describe(self.arrays) or 'nothing'}, and no "
                "labels by name; give --labels FILE or KEY"
            )
        return self.arrays[key], key, False

    def classifier(
        self, given: Given, wanted: _Wanted
    ) -> tuple[ArraySource | None, str | None, ArraySource | None]:
        """The classifier, its key in this file, and the bias that lies beside it."""
        if given is None:
            key = _fitting_classifier(self.arrays, wanted)
            return (None, None, None) if key is None else (self.arrays[key], key, _beside(self.arrays, key))
        if not isinstance(given, (str, os.PathLike)):
            return in_memory("classifier", given), None, None
        if given == _NONE and _NONE not in self.arrays:
            return None, None, None
        if isinstance(given, str) and given in self.arrays:
            return self.arrays[given], given, _beside(self.arrays, given)
        place, key = split_spec(given)
        found = open_arrays(place)
        if key is None:
            key = _fitting_classifier(found, wanted) or _only_matrix(found, wanted)
        key = choose_key(found, "classifier", key)
        return found[key], None, _beside(found, key)

    def source(self, role: Literal["labels", "bias"], given: Given, samples: int) -> ArraySource:
        """What the caller named for a role: a key of the same file, another file, or numbers."""
        if given is None or not isinstance(given, (str, os.PathLike)):
            return in_memory(role, given)
        if isinstance(given, str) and given in self.arrays:
            return self.arrays[given]
        place, key = split_spec(given)
        if isinstance(given, str) and not is_path(place):
            raise InvalidInputError(
                f"{role}={given!r} is no file, and no key of the features' file, which also holds "
                f"{describe(self.arrays) or 'nothing'}; give --{role} FILE or KEY"
            )
        found = open_arrays(place)
        if key is None and role == "labels":
            key = find_labels(found, self._pairing_key, samples)
        return found[choose_key(found, role, key)]

    def unused(
        self, taken: set[str | None], bias: ArraySource | None, samples: int, wanted: _Wanted
    ) -> tuple[str, ...]:
        """Arrays that look like one of the four roles and were not taken."""
        left = {k: a for k, a in self.arrays.items() if k not in taken and a is not bias}
        found = [f"{key!r} {a.shape}" for key, a in left.items() if _looks_used(key, a, samples, wanted)]
        more = len(found) - _MOST_UNUSED
        return (*found[:_MOST_UNUSED], f"and {more} more") if more > 0 else tuple(found)

    @property
    def _pairing_key(self) -> str:
        """The features' key, or the file's name where the file holds a single array."""
        return self.key if self.key != "array" else os.path.splitext(self.file)[0]

    def _lone_labels(self, samples: int) -> str | None:
        """The only vector of integers that has the features' length, and no name of an index."""
        vectors = [
            key
            for key, a in self.arrays.items()
            if a.shape == (samples,) and a.dtype.kind in "iub" and not is_index(key)
        ]
        return vectors[0] if len(vectors) == 1 else None


def _fitting_classifier(arrays: Mapping[str, ArraySource], wanted: _Wanted) -> str | None:
    """The key of the last layer among those of its names: exact in classes, then whole in name, else a question."""
    named = named_classifiers(arrays)
    # a numbered layer of more rows than there are classes is as well a hidden one
    fitting = {
        key: whole
        for key, whole in named.items()
        if wanted.fits(arrays[key])
        and (wanted.exactly(arrays[key]) or wanted.classes is None or not is_numbered(key))
    }
    if not fitting:
        # a whole name that does not fit is an error of the user's, to be reported; the end of a longer one is not
        return next((key for key, whole in named.items() if whole and len(arrays[key].shape) == 2), None)
    best = [k for k in fitting if wanted.exactly(arrays[k])] or list(fitting)
    best = [k for k in best if fitting[k]] or best
    if len(best) > 1:
        raise InvalidInputError(
            f"classifier: {', '.join(map(repr, best[:4]))} fit these features; name one with --classifier KEY, or "
            "say --classifier none"
        )
    return best[0]


def _only_matrix(arrays: Mapping[str, ArraySource], wanted: _Wanted) -> str | None:
    """The only array of a fitting shape, whatever its name."""
    fitting = [key for key, array in arrays.items() if wanted.fits(array)]
    return fitting[0] if len(fitting) == 1 else None


def _beside(arrays: Mapping[str, ArraySource], key: str) -> ArraySource | None:
    """The bias that belongs to a classifier's key."""
    names = [sibling_bias(key)] if "." in key else [sibling_bias(key), "bias"]
    beside = next((k for k in names if k in arrays and k != key), None)
    return None if beside is None else arrays[beside]


def _looks_used(key: str, array: ArraySource, samples: int, wanted: _Wanted) -> bool:
    """Whether an array looks like features, labels, a classifier or a bias."""
    shape = array.shape
    if isinstance(array, RefusedSource) or role_and_stem(key).role is not None:
        return role_and_stem(key).role is not None
    if (not is_numbered(key) and key in named_classifiers({key: array})) or (
        len(shape) == 2 and wanted.fits(array)
    ):
        return True
    if key.lower().endswith("bias") and shape == (wanted.classes,):
        return True
    rows = bool(shape) and shape[0] == samples
    return rows and (len(shape) > 1 or array.dtype.kind in "iub")


def _count(decoded: Decoded | None) -> int | None:
    """Number of classes that the labels need, where they are numbers."""
    if decoded is None or not decoded.labels.size or decoded.labels.dtype.kind not in "iuf":
        return None
    top = float(decoded.labels.max())
    return int(top) + 1 if np.isfinite(top) else None
