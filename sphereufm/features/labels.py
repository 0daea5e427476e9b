"""Labels as people save them, made class numbers from ``0`` to ``K - 1``.

Class numbers (also as floats, or in a column ``(N, 1)`` or a row), one-hot rows ``(N, K)``, names, and booleans are
taken; names are numbered in alphabetical order.  An integer vector that cannot be labels (sample ids, one class a
sample) is refused unless it was named on purpose: it would look like perfect collapse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError, check_labels
from sphereufm.features.readers.limits import printable
from sphereufm.features.readers.source import ArraySource
from sphereufm.notebook import counted

_MOST_NAMES = 65_536


@dataclass(frozen=True, kw_only=True)
class LabelRules:
    """What the caller says of labels."""

    ignore: tuple[int | str, ...] = ()  #: labels whose samples are left out (``-1`` or ``255`` is usual)
    remap: bool = False  #: whether the labels that occur are numbered ``0 .. K - 1``, in their order


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoded:
    """Class numbers of the samples that are kept."""

    labels: NDArray[Any]  #: shape ``(N,)``: numbers, integers once they are checked
    keep: NDArray[np.bool_] | None  #: which samples are kept; None for all
    names: tuple[str, ...] | None  #: names of the classes, where the file's labels are not the class numbers
    notes: tuple[str, ...]  #: what was done to them


def read_labels(source: ArraySource, features: tuple[int, ...], rules: LabelRules) -> Decoded:
    """Read labels and number them from 0; their range is not checked yet.

    ``features``: their shape, samples first.  Raises InvalidInputError if there is not one label for each sample.
    """
    values, notes = _vector(source, features)
    if categories := getattr(source, "categories", None):
        values = np.array(categories)[values]
    values = _texts(values)
    keep, ignored = _kept(source.name, values, rules.ignore)
    labels, names = _numbered(source.name, values if keep is None else values[keep], rules.remap)
    if names is not None:
        shown = ", ".join(f"{k} is {name}" for k, name in enumerate(names[:10]))
        notes.append(f"classes are numbered anew: {shown}{', ...' if len(names) > 10 else ''}")
    return Decoded(labels=labels, keep=keep, names=names, notes=(*notes, *ignored))


def check_decoded(name: str, found: Decoded, classes: int | None, named: bool) -> Decoded:
    """Check that labels are class numbers of at least two classes; ``named``: the caller chose this array."""
    if found.labels.dtype.kind in "iuf" and found.labels.size:
        _check_range(name, found.labels, classes)
    labels = check_labels(name, found.labels, classes)
    kinds = len(np.unique(labels))
    if not named and kinds > 2 and 2 * kinds > len(labels):  # hardly two samples a class
        raise InvalidInputError(
            f"{name} has {kinds} different values for {len(labels)} samples, so it looks like sample numbers and would "
            "show perfect collapse; name it with --labels KEY if these are the labels"
        )
    if kinds == 1:
        raise InvalidInputError(
            f"{name} has the single class {int(labels[0])}, but collapse compares classes, so two are needed; name "
            "other --labels"
        )
    labels.setflags(write=False)
    return replace(found, labels=labels)


def _vector(source: ArraySource, features: tuple[int, ...]) -> tuple[NDArray[Any], list[str]]:
    """One entry for each sample."""
    shape, samples = source.shape, features[0]
    if shape in ((samples,), (samples, 1), (1, samples)):
        return np.asarray(source.read()).reshape(-1), []
    repair = "name others with --labels"
    if shape[:1] == features[1:] != features[:1]:
        repair = "if the features lie in columns, say so with --transpose features"
    if len(shape) == 2 and shape[0] == samples and shape[1] > 1:
        rows = np.asarray(source.read())
        plain = rows.dtype.kind in "biuf" and ((rows == 0) | (rows == 1)).all()
        if plain and (np.count_nonzero(rows, axis=1) == 1).all():
            return rows.argmax(axis=1), [f"{source.name} is one-hot: the column of the one is the class"]
        repair = f"it is not one-hot (one 1 in each row, else 0); {repair}"
    wanted = f"labels must be ({samples},), one for each feature"
    raise InvalidInputError(f"{source.name} has shape {shape}, but {wanted}; {repair}")


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    """Texts of every kind in one type; other values as they are."""
    if values.dtype.kind == "S":
        # bytes that are not UTF-8 stay different ones
        return np.char.decode(values, "utf-8", "surrogateescape")
    plain = values.dtype.kind in "OT" and all(isinstance(v, str) for v in values)
    return np.array(values.tolist()) if plain else values


def _kept(
    name: str, values: NDArray[Any], ignore: tuple[int | str, ...]
) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
    """The samples whose labels are not ignored, None for all."""
    if not ignore:
        return None, ()
    texts = [str(v) for v in ignore]
    missing = np.isnan(values) if values.dtype.kind == "f" and "" in texts else False
    try:
        # whole numbers may be floats, as labels may; nothing is a missing one
        unwanted = texts if values.dtype.kind == "U" else [int(t.removesuffix(".0")) for t in texts if t]
    except ValueError as error:
        raise InvalidInputError(
            f"--ignore-label {', '.join(map(str, ignore))} is no whole number, but these labels are numbers; give "
            "--ignore-label NUMBER"
        ) from error
    keep = ~(np.isin(values, np.array(unwanted)) | missing)
    if not keep.any():
        raise InvalidInputError(f"{name} has no other labels than {ignore}; ignore fewer with --ignore-label")
    left = counted(int(np.count_nonzero(~keep)), "sample is", "samples are")
    return keep, (f"{left} left out, of labels {list(ignore)}",)


def _numbered(name: str, values: NDArray[Any], remap: bool) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    """Numbers from 0, and names where they are not the file's own numbers."""
    if values.dtype.kind == "b":
        return values.astype(np.intp), None
    if (values.dtype.kind == "f" and np.isnan(values).any()) or (values.dtype.kind == "U" and "" in values):
        raise InvalidInputError(f"{name} has samples without a label; leave them out with --ignore-label ''")
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.floor(values))).all():
        fact = f"{name} has entries that are not whole numbers, which are no labels"
        raise InvalidInputError(f"{fact}; name others with --labels")
    if values.dtype.kind != "U" and not (remap and values.dtype.kind in "iuf"):
        return values, None
    kinds, labels = np.unique(values, return_inverse=True)
    if len(kinds) > _MOST_NAMES:
        fact = f"{len(kinds)} different labels, more than {_MOST_NAMES}"
        raise InvalidInputError(f"{name} has {fact}; name others with --labels")
    shown: list[Any] = [int(k) if isinstance(k, float) else k for k in kinds.tolist()]
    # texts that are all whole numbers have an order of their own
    if not remap and all(text.removeprefix("-").isdecimal() and len(text) < 16 for text in shown):
        return values.astype(np.int64), None
    return labels.reshape(-1).astype(np.intp), tuple(printable(str(v)) for v in shown)


def _check_range(name: str, labels: NDArray[Any], classes: int | None) -> None:
    """Numbers that are out of range, with the options that may mend them."""
    low, high = (format(end, ".17g") for end in (labels.min(), labels.max()))
    repair = ""
    if labels.min() < 0:
        repair = f"leave samples out with --ignore-label {low}, or number the labels anew with --remap-labels"
    elif classes is not None and labels.max() >= classes:
        repair = "number them anew with --remap-labels, or choose another --classifier"
    if repair:
        top = "K - 1" if classes is None else classes - 1
        wrong = f"{name} runs from {low} to {high}, but labels must lie in 0 .. {top}"
        raise InvalidInputError(f"{wrong}; {repair}")
    if classes is None and labels.max() >= max(labels.size, 2):
        raise InvalidInputError(
            f"{name} runs to {high} with {labels.size} samples; give classes=K (--classes) if that is meant, or number "
            "them anew with --remap-labels"
        )
