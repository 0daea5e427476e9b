"""Features from files: which array is what, who belongs to whom, and what was left over.

Labels are paired with features by the common words of their keys and by length; a classifier must fit the features'
width and the number of classes.  Where several arrays fit equally well nothing is guessed.  Whatever looks like one of
the four and was not used is listed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from numpy.typing import ArrayLike

from sphereufm.errors import InvalidInputError
from sphereufm.features.feature_set import FeatureSet, Reading, assemble, in_memory
from sphereufm.features.labels import Decoded, read_labels
from sphereufm.features.readers import is_path, open_arrays, split_spec
from sphereufm.features.readers.keys import (
    Role,
    bias_beside,
    choose_key,
    describe,
    find_labels,
    is_numbered,
    named_classifiers,
    names_something_else,
    quoted,
    role_and_stem,
)
from sphereufm.features.readers.limits import printable
from sphereufm.features.readers.source import ArraySource, RefusedSource, usable
from sphereufm.features.readers.views import without

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
        A key in the same file, another ``"FILE"`` or ``"FILE:KEY"``, or the numbers themselves; else labels are found
        by the words they share with the features' key and by length, a classifier by name and shape, a bias beside
        it. ``"none"`` leaves the classifier out, or takes the classifier's choices for labels.
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
    >>> import os, tempfile
    >>> import numpy as np
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
    samples = features.shape[0]
    shelf = _Shelf(file=printable(Path(place).name), arrays=arrays)
    # of a file of one array the name tells
    stem = key if key != "array" else os.path.splitext(shelf.file)[0]
    truth = shelf.find("labels", labels, lambda found: _labels(found, stem, samples))
    if truth.array is None and labels is None:
        raise InvalidInputError(f"{shelf.held} and no labels by name; give --labels FILE or KEY")
    features = without(features, {truth.key})
    decoded = None if truth.array is None else read_labels(truth.array, features.shape, how.labels)
    turned, count = "classifier" in how.transpose, classes or _count(decoded)
    wanted = _Wanted(width=features.shape[1], classes=count, turned=turned)
    told = classifier is not None
    head = shelf.find("classifier", classifier, lambda found: _classifier(found, wanted, told))
    offsets = head.beside if bias is None else shelf.find("bias", bias, lambda _: None).array
    taken = {truth.key, head.key, bias if isinstance(bias, str) else None, *getattr(features, "columns", ())}
    left = {k: a for k, a in arrays.items() if k not in taken and a is not offsets}
    others = {"labels": truth.array, "classifier": head.array, "bias": offsets}
    found = assemble(features, others, classes, how, labels is not None, decoded)
    return replace(found, unused=_unused(left, samples, wanted))


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
    arrays: Mapping[str, ArraySource]

    def find(self, role: Role, given: Given, search: _Search) -> _Found:
        """The array for a role: found, or named as a key of this file, none, another file and a key there, numbers."""
        if given is None:
            given = search(self.arrays)
            if given is None:
                return _Found()
        if not isinstance(given, (str, os.PathLike)):
            return _Found(array=in_memory(role, given))
        if isinstance(given, str) and given in self.arrays:
            return _Found(array=usable(self.arrays[given]), key=given, beside=bias_beside(self.arrays, given))
        if given == _NONE and role != "bias":
            return _Found()
        place, key = split_spec(given)
        if isinstance(given, str) and role != "classifier" and not is_path(place):
            fact = f"{role}={given!r} is no file, and no key of the features' file; {self.held}"
            raise InvalidInputError(f"{fact}; give --{role} FILE or KEY")
        found = open_arrays(place)
        key = choose_key(found, role, search(found) if key is None else key)
        return _Found(array=usable(found[key]), beside=bias_beside(found, key))

    @property
    def held(self) -> str:
        """What else there is to name."""
        return f"beside the features {self.file} holds {describe(self.arrays) or 'nothing'}"


def _labels(arrays: Mapping[str, ArraySource], stem: str, samples: int) -> str | None:
    """The key of the labels: by its name, else that of the only vector of as many integers."""
    return find_labels(arrays, stem, samples) or _only(
        k
        for k, a in arrays.items()
        if a.shape == (samples,) and a.dtype.kind in "iub" and not names_something_else(k)
    )


def _classifier(arrays: Mapping[str, ArraySource], wanted: _Wanted, named: bool) -> str | None:
    """The key of the last layer among those of its names: exact in classes, then whole in name, else a question.

    In a file that was ``named`` for it the only array of its shape is enough.
    """
    names, rows = named_classifiers(arrays), {key: wanted.rows(array) for key, array in arrays.items()}
    exact = [key for key in names if rows[key] is not None and rows[key] == wanted.classes]
    # a numbered layer of more rows than there are classes is as well a hidden one
    larger = [k for k in names if rows[k] is not None and (wanted.classes is None or not is_numbered(k))]
    fitting = exact or larger
    if not fitting:
        # a whole name that does not fit is an error of the user's, to be reported; the end of a longer one is not
        whole = next((key for key, whole in names.items() if whole and len(arrays[key].shape) == 2), None)
        return whole or (_only(key for key in arrays if rows[key] is not None) if named else None)
    best = [key for key in fitting if names[key]] or fitting
    if len(best) > 1:
        fact = f"classifier: {quoted(best)} fit these features"
        raise InvalidInputError(f"{fact}; name one with --classifier KEY, or say --classifier none")
    return best[0]


def _only(keys: Iterable[str]) -> str | None:
    """The only key, if there is one and no more."""
    found = list(keys)
    return found[0] if len(found) == 1 else None


def _unused(left: Mapping[str, ArraySource], samples: int, wanted: _Wanted) -> tuple[str, ...]:
    """Arrays that look like one of the four roles and were not taken."""
    found = [f"{quoted([key])} {a.shape}" for key, a in left.items() if _looks_used(key, a, samples, wanted)]
    more = len(found) - _MOST_UNUSED
    return (*found[:_MOST_UNUSED], f"and {more} more") if more > 0 else tuple(found)


def _looks_used(key: str, array: ArraySource, samples: int, wanted: _Wanted) -> bool:
    """Whether an array looks like features, labels, a classifier or a bias."""
    role, shape = role_and_stem(key).role, array.shape
    if role is not None or isinstance(array, RefusedSource):
        return role is not None
    return (
        (not is_numbered(key) and key in named_classifiers([key]))
        or (len(shape) == 2 and wanted.rows(array) is not None)
        or (key.lower().endswith("bias") and shape == (wanted.classes,))
        or (shape[:1] == (samples,) and (len(shape) > 1 or array.dtype.kind in "iub"))
    )


def _count(decoded: Decoded | None) -> int | None:
    """Number of classes that the labels need, where they are numbers."""
    if decoded is None or not decoded.labels.size or decoded.labels.dtype.kind not in "iuf":
        return None
    return int(decoded.labels.max()) + 1
