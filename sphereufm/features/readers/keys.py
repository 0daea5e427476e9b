"""Which array of a file plays which role: names people use, then shapes, then a question to the user.

Names are compared without case, whole and after the last dot (``module.fc.weight``); the list of a role
is in order of preference.  OpenOOD's ``feat_list`` and ``label_list`` are among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from sphereufm.errors import InvalidInputError
from sphereufm.features.readers.source import ArraySource, RefusedSource

__all__ = ["CONVENTIONS", "Role", "choose_key", "describe", "find_key", "sibling_bias"]

Role: TypeAlias = Literal["features", "labels", "classifier", "bias"]

_NAMES: dict[Role, str] = {
    "features": "features feature feats feat feat_list feature_list embeddings embedding penultimate "
    "representations activations hidden h x trainfeat testfeat train_features test_features",
    "labels": "labels label label_list targets target y gt ground_truth trainlabels testlabels train_labels "
    "test_labels",
    "classifier": "classifier classifier_weight classifier.weight fc.weight head.weight head.fc.weight "
    "heads.head.weight last_linear.weight linear.weight output.weight _fc.weight fc_weight fc_w weight w",
    "bias": "bias classifier_bias classifier.bias fc.bias head.bias head.fc.bias heads.head.bias "
    "last_linear.bias linear.bias output.bias _fc.bias fc_bias fc_b b",
}

CONVENTIONS: dict[Role, tuple[str, ...]] = {role: tuple(names.split()) for role, names in _NAMES.items()}
"""Names of each role, best first."""

_AXES: dict[Role, int] = {"features": 2, "labels": 1, "classifier": 2, "bias": 1}


def find_key(arrays: Mapping[str, ArraySource], role: Role) -> str | None:
    """The key that conventional names give a role, or None.

    Raises
    ------
    InvalidInputError
        If several keys match the same name.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereufm.features.readers.source import MemorySource
    >>> arrays = {k: MemorySource(name=k, array=np.ones(2)) for k in ("feat_list", "label_list")}
    >>> find_key(arrays, "labels")
    'label_list'
    """
    for wanted in CONVENTIONS[role]:
        for matches in (_whole(arrays, wanted), _suffix(arrays, wanted)):
            if len(matches) > 1:
                raise InvalidInputError(_ask(arrays, role, f"{len(matches)} arrays fit"))
            if matches:
                return matches[0]
    return None


def choose_key(arrays: Mapping[str, ArraySource], role: Role, key: str | None = None) -> str:
    """The key to use for a role: the one named, the conventional one, or the only one of fitting shape.

    Raises
    ------
    InvalidInputError
        If ``key`` is not in the file, or nothing fits, or more than one does.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereufm.features.readers.source import MemorySource
    >>> arrays = {k: MemorySource(name=k, array=np.ones((2, 2))) for k in ("feats", "other")}
    >>> choose_key(arrays, "features"), choose_key(arrays, "features", "other")
    ('feats', 'other')
    """
    if key is not None:
        if key not in arrays:
            raise InvalidInputError(_ask(arrays, role, f"there is no array {key!r}"))
        return key
    found = find_key(arrays, role)
    if found is not None:
        return found
    fitting = [
        k for k, a in arrays.items() if len(a.shape) == _AXES[role] and not isinstance(a, RefusedSource)
    ]
    if role == "labels":
        fitting = [k for k in fitting if arrays[k].dtype.kind in "iu"]
    if len(fitting) == 1:
        return fitting[0]
    if len(arrays) == 1:
        return next(iter(arrays))
    raise InvalidInputError(_ask(arrays, role, f"{len(fitting) or 'no'} arrays could be the {role}"))


def sibling_bias(key: str) -> str:
    """The name of the bias that belongs to a classifier's key.

    Examples
    --------
    >>> sibling_bias("module.fc.weight"), sibling_bias("W")
    ('module.fc.bias', 'b')
    """
    if key.lower() in ("w", "fc_w"):
        return key[:-1] + "b"
    return key.removesuffix("weight") + "bias" if key.endswith("weight") else key + "_bias"


def describe(arrays: Mapping[str, ArraySource], limit: int = 8) -> str:
    """The arrays of a file in a few words.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereufm.features.readers.source import MemorySource
    >>> describe({"x": MemorySource(name="x", array=np.ones((2, 3)))})
    "'x' (2, 3) float64"
    """
    shown = []
    for key, array in list(arrays.items())[:limit]:
        what = "refused" if isinstance(array, RefusedSource) else f"{array.shape} {array.dtype}"
        shown.append(f"{key[:80]!r} {what}")
    more = len(arrays) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _whole(arrays: Mapping[str, ArraySource], wanted: str) -> list[str]:
    """Keys equal to a name but for case; an exact match wins."""
    if wanted in arrays:
        return [wanted]
    return [key for key in arrays if key.lower() == wanted]


def _suffix(arrays: Mapping[str, ArraySource], wanted: str) -> list[str]:
    """Keys that end in a dot or slash and the name (``module.fc.weight``, ``/train/features``)."""
    if wanted in ("weight", "w", "bias", "b"):
        return []
    return [key for key in arrays if key.lower().endswith(("." + wanted, "/" + wanted))]


def _ask(arrays: Mapping[str, ArraySource], role: str, fact: str) -> str:
    """A message that lists the arrays and says how to name one."""
    return f"{role}: {fact} in this file; name one as FILE:KEY. It holds {describe(arrays)}"
