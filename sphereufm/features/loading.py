"""Features from files: which array is what, who belongs to whom, and what was left over.

Labels are paired with features by the common words of their keys and by length; a classifier must fit the features'
width and the number of classes.  Where several arrays fit equally well nothing is guessed.  Whatever looks like one of
the four and was not used is listed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from sphereufm.errors import InvalidInputError
from sphereufm.features.feature_set import FeatureSet, Parts, Reading, assemble, features_shape, in_memory
from sphereufm.features.labels import Decoded, read_labels
from sphereufm.features.readers import ArraySource, RefusedSource, is_path, open_arrays, split_spec
from sphereufm.features.readers.keys import (
    Role,
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

_Search: TypeAlias = Callable[[Mapping[str, ArraySource]], str | None]

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
    features = how.shaped(arrays.pop(key))
    samples = features_shape(features)[0]
    shelf = _Shelf(file=os.path.basename(place), key=key, arrays=arrays, samples=samples)
    truth = shelf.labels(labels)
    if truth.key is not None and hasattr(features, "without"):
        features = features.without({truth.key})
    decoded = None if truth.array is None else read_labels(truth.array, features.shape, how.labels)
    wanted = _Wanted(
        width=features.shape[-1], classes=classes or _count(decoded), turned="classifier" in how.transpose
    )
    head = shelf.classifier(classifier, wanted)
    offsets = head.beside if bias is None else shelf.given("bias", bias).array
    taken = {truth.key, head.key, bias if isinstance(bias, str) else None, *getattr(features, "columns", ())}
    left = {k: a for k, a in arrays.items() if k not in taken and a is not offsets}
    parts = Parts(
        features=features,
        labels=truth.array,
        classifier=head.array,
        bias=offsets,
        labels_named=labels is not None,
        unused=_unused(left, samples, wanted),
    )
    return assemble(parts, classes, how, decoded)


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What a classifier must fit: width of the features, number of classes, whether it lies in columns."""

    width: int
    classes: int | None
    turned: bool

    def rows(self, array: ArraySource) -> int | None:
        """Number of rows of an array that has the shape of a classifier of these features; None for others."""
        shape = array.shape[:2][::-1] if self.turned else array.shape[:2]
        if len(shape) < 2 or any(n != 1 for n in array.shape[2:]) or shape[1] != self.width:
            return None
        return shape[0] if shape[0] >= (self.classes or 2) else None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Found:
    """The array for a role, if there is one: its key in the features' file, and the bias that lies beside it."""

    array: ArraySource | None = None
    key: str | None = None
    beside: ArraySource | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shelf:
    """The arrays of the features' file but the features."""

    file: str
    key: str
    arrays: Mapping[str, ArraySource]
    samples: int

    def labels(self, given: Given) -> _Found:
        """The labels."""
        # of a file of one array the name tells
        stem = self.key if self.key != "array" else os.path.splitext(self.file)[0]
        if given is not None:
            return self.given("labels", given, lambda found: find_labels(found, stem, self.samples))
        key = find_labels(self.arrays, stem, self.samples) or _only(
            k
            for k, a in self.arrays.items()
            if a.shape == (self.samples,) and a.dtype.kind in "iub" and not is_index(k)
        )
        if key is None:
            raise InvalidInputError(
                f"labels=None, but {self._held} and no labels by name; give --labels FILE or KEY"
            )
        return _Found(array=self.arrays[key], key=key)

    def classifier(self, given: Given, wanted: _Wanted) -> _Found:
        """The classifier."""
        if given is None:
            key = _fitting_classifier(self.arrays, wanted)
            return _Found() if key is None else self.given("classifier", key)
        return self.given(
            "classifier",
            given,
            lambda found: (
                _fitting_classifier(found, wanted)
                or _only(k for k in found if wanted.rows(found[k]) is not None)
            ),
        )

    def given(self, role: Role, given: Given, search: _Search | None = None) -> _Found:
        """What was named for a role: a key of the same file, none, another file and perhaps a key there, or numbers."""
        if given is None or not isinstance(given, (str, os.PathLike)):
            return _Found(array=in_memory(role, given))
        if isinstance(given, str) and given in self.arrays:
            return _Found(array=self.arrays[given], key=given, beside=_beside(self.arrays, given))
        if given == _NONE and role != "bias":
            return _Found()
        place, key = split_spec(given)
        if isinstance(given, str) and role != "classifier" and not is_path(place):
            raise InvalidInputError(
                f"{role}={given!r} is no file, and no key of the features' file; {self._held}; "
                f"give --{role} FILE or KEY"
            )
        found = open_arrays(place)
        if key is None and search is not None:
            key = search(found)
        key = choose_key(found, role, key)
        return _Found(array=found[key], beside=_beside(found, key))

    @property
    def _held(self) -> str:
        """What else there is to name."""
        return f"beside the features {self.file} holds {describe(self.arrays) or 'nothing'}"


def _fitting_classifier(arrays: Mapping[str, ArraySource], wanted: _Wanted) -> str | None:
    """The key of the last layer among those of its names: exact in classes, then whole in name, else a question."""
    named = named_classifiers(arrays)
    # a numbered layer of more rows than there are classes is as well a hidden one
    fitting = [
        k
        for k in named
        if (rows := wanted.rows(arrays[k])) is not None
        and (rows == wanted.classes or wanted.classes is None or not is_numbered(k))
    ]
    if not fitting:
        # a whole name that does not fit is an error of the user's, to be reported; the end of a longer one is not
        return next((key for key, whole in named.items() if whole and len(arrays[key].shape) == 2), None)
    best = [k for k in fitting if wanted.rows(arrays[k]) == wanted.classes] or fitting
    best = [k for k in best if named[k]] or best
    if len(best) > 1:
        raise InvalidInputError(
            f"classifier: {', '.join(map(repr, best[:4]))} fit these features; name one with --classifier KEY, or "
            "say --classifier none"
        )
    return best[0]


def _only(keys: Iterable[str]) -> str | None:
    """The only key, if there is one and no more."""
    found = list(keys)
    return found[0] if len(found) == 1 else None


def _beside(arrays: Mapping[str, ArraySource], key: str) -> ArraySource | None:
    """The bias that belongs to a classifier's key."""
    names = [sibling_bias(key)] if "." in key else [sibling_bias(key), "bias"]
    return next((arrays[k] for k in names if k in arrays and k != key), None)


def _unused(left: Mapping[str, ArraySource], samples: int, wanted: _Wanted) -> tuple[str, ...]:
    """Arrays that look like one of the four roles and were not taken."""
    found = [f"{key!r} {a.shape}" for key, a in left.items() if _looks_used(key, a, samples, wanted)]
    more = len(found) - _MOST_UNUSED
    return (*found[:_MOST_UNUSED], f"and {more} more") if more > 0 else tuple(found)


def _looks_used(key: str, array: ArraySource, samples: int, wanted: _Wanted) -> bool:
    """Whether an array looks like features, labels, a classifier or a bias."""
    shape = array.shape
    if isinstance(array, RefusedSource) or role_and_stem(key).role is not None:
        return role_and_stem(key).role is not None
    named = not is_numbered(key) and key in named_classifiers({key: array})
    if named or (len(shape) == 2 and wanted.rows(array) is not None):
        return True
    if key.lower().endswith("bias") and shape == (wanted.classes,):
        return True
    return shape[:1] == (samples,) and (len(shape) > 1 or array.dtype.kind in "iub")


def _count(decoded: Decoded | None) -> int | None:
    """Number of classes that the labels need, where they are numbers."""
    if decoded is None or not decoded.labels.size or decoded.labels.dtype.kind not in "iuf":
        return None
    top = float(decoded.labels.max())
    return int(top) + 1 if np.isfinite(top) else None
