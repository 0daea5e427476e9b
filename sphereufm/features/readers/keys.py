"""Which array of a file plays which role: names people use, then shapes, then a question to the user.

A key is cut into words at separators, at capitals and at words that are known (``trainfeat``, ``X_test``,
``val/labelList``).  One of them tells the role, the others are its *stem*: ``test_features`` and ``labels.test``
have the stem ``test`` in common, so they belong together.  Two stems that name different splits never do.

Classifiers go by whole names before the ends of names (``module.fc.weight``), and only where their shape fits.  Where
several arrays remain, nothing is guessed: the user is asked.  Columns of a table are features unless their names make
them labels, indices or a network's outputs; those of a common name and a running number (``f0 f1 ...``) before others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sphereufm.errors import InvalidInputError
from sphereufm.features.readers.source import ArraySource, RefusedSource

Role: TypeAlias = Literal["features", "labels", "classifier", "bias"]

_ROLE_WORDS: dict[Role, str] = {
    "features": "features feature feats feat embeddings embedding embeds emb penultimate representations "
    "representation reps activations activation acts hidden h x",
    "labels": "labels label lbls lbl targets target y gt truth category cls",
}
_SPLIT_WORDS = {
    "train": "train training tr",
    "test": "test testing te",
    "validation": "val valid validation dev",
    **dict.fromkeys(("eval", "query", "gallery", "ood", "holdout", "support"), ""),
}
_OTHER_WORDS = {
    "weak": "hidden h x activations activation acts",
    "noise": "list array arr data all tensor tensors vec vecs set np ground saved",
    "index": "index indices idx id ids uid uuid rowid unnamed",
    "output": "confidence conf score scores prob probs proba probability pred preds prediction predictions predicted "
    "loss logit logits entropy margin",
    "aside": "weight weights fold split epoch time timestamp",
}

# names of the last layer's weights
_LAST_LAYERS = (
    "classifier classifier_weight classifier.weight fc.weight head.weight head.fc.weight heads.head.weight "
    "last_linear.weight linear.weight output.weight _fc.weight fc_weight fc_w weight w"
)

_ROLES: dict[str, Role] = {word: role for role, words in _ROLE_WORDS.items() for word in words.split()}
_LONG_FIRST = sorted(_ROLES, key=len, reverse=True)
_SPLITS = {word: split for split, words in _SPLIT_WORDS.items() for word in (words or split).split()}
_WEAK, _NOISE, _INDEX, _OUTPUTS, _ASIDE = (frozenset(words.split()) for words in _OTHER_WORDS.values())

_CLASSIFIERS = frozenset(_LAST_LAYERS.split())
_WHOLE_ONLY = frozenset({"weight", "w"})
_NUMBERED = re.compile(r"^(.*?)[^0-9A-Za-z]*(\d+)$")
_LAYER_NUMBER = re.compile(r"\.?\d+(?=\.weight$)")  # of torch's Sequential, or of ``fc2``
_LETTERS = 200  # of a key that are looked at: the last ones, whatever a file calls its arrays
_AXES: dict[Role, int] = {"features": 2, "labels": 1, "classifier": 2, "bias": 1}


@dataclass(frozen=True, kw_only=True)
class KeyRole:
    """What a key says: the role, the other words (one for each split), and whether that for the role is a weak one."""

    role: Role | None
    stem: frozenset[str]
    weak: bool = False

    def distance(self, other: KeyRole) -> int | None:
        """0 for equal stems, 1 where one holds the other, 2 for unlike ones; None for two different splits."""
        mine, theirs = (key.stem.intersection(_SPLITS.values()) for key in (self, other))
        if mine and theirs and mine != theirs:
            return None
        if self.stem == other.stem:
            return 0
        return 1 if self.stem <= other.stem or other.stem <= self.stem else 2


def role_and_stem(key: str) -> KeyRole:
    """Role and stem of a key; the last word that tells a role counts (``feats_target``: of the target domain)."""
    words = [part for word in _tokens(key[-_LETTERS:]) for part in _known_parts(word)]
    telling = [i for i, word in enumerate(words) if word in _ROLES]
    sure = [i for i in telling if words[i] != "target" and words[i] not in _WEAK]
    if telling and words[telling[-1]] == "target":
        telling = sure or telling
    at = telling[-1] if telling else None
    stem = frozenset(_SPLITS.get(w, w) for i, w in enumerate(words) if i != at and w not in _NOISE)
    role = None if at is None else _ROLES[words[at]]
    return KeyRole(role=role, stem=stem, weak=at is not None and words[at] in _WEAK)


def _find_features(arrays: Mapping[str, ArraySource]) -> str | None:
    """The key that its name makes the features: whole names first, then those with a stem; None without one."""
    # a vector is no features; a refused entry has no shape
    said = {key: role_and_stem(key) for key, array in arrays.items() if len(array.shape) != 1}
    ranks = {key: (r.weak, bool(r.stem)) for key, r in said.items() if r.role == "features"}
    least = min(ranks.values(), default=None)
    return _one(arrays, "features", [key for key, rank in ranks.items() if rank == least], "fit")


def find_labels(arrays: Mapping[str, ArraySource], features: str | None, samples: int | None) -> str | None:
    """The key of the labels that belong to the features, by common words and length; None where no name tells.

    ``features``: their key, None where they lie in another file; ``samples``: their number, if it is known.  Raises
    InvalidInputError if several keys fit equally well, or all that are there name another split of the data.
    """
    mine = KeyRole(role=None, stem=frozenset()) if features is None else role_and_stem(features)
    named = {key: found for key in arrays if (found := role_and_stem(key)).role == "labels"}
    # what a network predicts is no truth
    named = {key: found for key, found in named.items() if _OUTPUTS.isdisjoint(found.stem)}
    distances = {key: mine.distance(found) for key, found in named.items()}
    related = {key: d for key, d in distances.items() if d is not None}
    if named and not related:
        raise InvalidInputError(
            f"labels: {quoted(named)} and {quoted([features or ''])} name different splits of the data; "
            "if they belong together say so with --labels KEY"
        )
    # one entry, or one row of a code, for each sample
    starts = {key: arrays[key].shape[:1] if len(arrays[key].shape) <= 2 else () for key in related}
    fitting = {k: d for k, d in related.items() if samples is None or starts[k] == (samples,)} or related
    least = min(fitting.values(), default=None)
    return _one(arrays, "labels", [key for key, d in fitting.items() if d == least], "fit equally well")


def feature_columns(arrays: Mapping[str, ArraySource]) -> tuple[str, ...]:
    """Names of the columns of a table that are features."""
    vectors = [key for key, a in arrays.items() if len(a.shape) == 1 and a.dtype.kind in "fiu"]
    # the numbers of texts are their places in the alphabet, and measure nothing
    texts = {key for key in vectors if getattr(arrays[key], "categories", ())}
    vectors = [key for key in vectors if key not in texts and not names_something_else(key)]
    floats = [key for key in vectors if arrays[key].dtype.kind == "f"]
    families: dict[str, list[str]] = {}
    for key in vectors:
        if match := _NUMBERED.match(key):
            families.setdefault(match.group(1), []).append(key)
    largest = max(families.values(), key=len, default=[])
    return tuple(largest if len(largest) >= max(4, 0.75 * len(floats)) else floats)


def named_classifiers(arrays: Iterable[str]) -> dict[str, bool]:
    """Keys with a name of a last layer; True for whole names, False for the ends of longer or numbered ones."""
    found = {}
    for key in arrays:
        end = re.sub(r"[./]", ".", "." + _LAYER_NUMBER.sub("", key.lower()))
        if key.lower() in _CLASSIFIERS:
            found[key] = True
        elif any(end.endswith("." + name) for name in _CLASSIFIERS - _WHOLE_ONLY):
            found[key] = False
    return found


def is_numbered(key: str) -> bool:
    """Whether a key names one layer of several by its number, ``classifier.6.weight`` or ``fc2.weight``."""
    return _LAYER_NUMBER.search(key.lower()) is not None


def choose_key(arrays: Mapping[str, ArraySource], role: Role, key: str | None = None) -> str:
    """The key to use for a role: the one named, the conventional one, or the only one of fitting shape."""
    if key is not None:
        if key not in arrays:
            raise InvalidInputError(_ask(arrays, role, f"there is no array {key!r}"))
        return key
    if role == "features":
        found = _find_features(arrays)
    elif role == "labels":
        found = find_labels(arrays, None, None)
    elif role == "bias":
        found = next((key for key in arrays if key.lower() in ("bias", "b")), None)
    else:
        named = named_classifiers(arrays)
        found = _one(arrays, role, [key for key, whole in named.items() if whole] or list(named), "fit")
    if found is not None:
        return found
    kinds = "iub" if role == "labels" else "biufc"
    fitting = [k for k, a in arrays.items() if len(a.shape) == _AXES[role] and a.dtype.kind in kinds]
    for few in (fitting, list(arrays)):
        if len(few) == 1:
            return few[0]
    raise InvalidInputError(_ask(arrays, role, f"{len(fitting) or 'no'} arrays could be the {role}"))


def names_something_else(key: str) -> bool:
    """Whether a name says labels, an index, or what is kept beside features."""
    said = role_and_stem(key)
    words = said.stem | {re.sub(r"\d+$", "", word) for word in said.stem}
    return said.role == "labels" or is_index(key) or not (_OUTPUTS | _ASIDE).isdisjoint(words)


def is_index(key: str) -> bool:
    """Whether a key names an index or sample numbers, which are neither features nor labels."""
    return not _INDEX.isdisjoint(_tokens(key))


def bias_beside(arrays: Mapping[str, ArraySource], key: str) -> ArraySource | None:
    """The bias that belongs to a classifier's key."""
    if key.lower() in ("w", "fc_w"):
        name = key[:-1] + "b"
    else:
        name = key.removesuffix("weight") + "bias" if key.endswith("weight") else key + "_bias"
    names = (name,) if "." in key else (name, "bias")
    return next((arrays[k] for k in names if k in arrays and k != key), None)


def describe(arrays: Mapping[str, ArraySource], limit: int = 8) -> str:
    """The arrays of a file in a few words."""
    kinds = {
        k: "refused" if isinstance(a, RefusedSource) else f"{a.shape} {a.dtype}" for k, a in arrays.items()
    }
    shown = ", ".join(f"{key[:80]!r} {kind}" for key, kind in list(kinds.items())[:limit])
    return f"{shown} and {len(kinds) - limit} more" if len(kinds) > limit else shown


def quoted(keys: Iterable[str]) -> str:
    """The first of some keys, escaped and shortened: they are the file's to choose."""
    return ", ".join(f"{key[:80]!r}" for key in list(keys)[:4])


def _one(arrays: Mapping[str, ArraySource], role: Role, fitting: list[str], fact: str) -> str | None:
    """The only key of those that fit, None without any; several are a question."""
    if len(fitting) > 1:
        raise InvalidInputError(_ask(arrays, role, f"{quoted(fitting)} {fact}"))
    return fitting[0] if fitting else None


def _tokens(key: str) -> list[str]:
    """Words of a key, in lower case."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", key)
    return re.findall(r"[^\W_]+", spaced.lower())


def _known_parts(word: str) -> list[str]:
    """A word cut where it is a role and something else (``trainfeat``); digits at its end stay with it."""
    if word in _ROLES or word in _SPLITS or word in _NOISE:
        return [word]
    for role in _LONG_FIRST:
        for rest in (word.removesuffix(role), word.removeprefix(role)):
            if rest != word and (len(role) > 2 or rest in _SPLITS):
                return [rest, role]
    return [word]


def _ask(arrays: Mapping[str, ArraySource], role: str, fact: str) -> str:
    """A message that lists the arrays and says how to name one."""
    how = "as FILE:KEY" if role == "features" else f"with --{role} KEY or FILE:KEY"
    return f"{role}: {fact} in this file, which holds {describe(arrays)}; name one {how}"
