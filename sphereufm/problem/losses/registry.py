"""Losses by name: those of the package, and those that a user registers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any, TypeVar

from sphereufm.errors import InvalidInputError, one_of
from sphereufm.problem.losses.arcface import ArcFace
from sphereufm.problem.losses.cross_entropy import CrossEntropy
from sphereufm.problem.losses.focal import Focal
from sphereufm.problem.losses.interface import Loss
from sphereufm.problem.losses.label_smoothing import LabelSmoothing
from sphereufm.problem.losses.logistic import Logistic
from sphereufm.problem.losses.squared_error import SquaredError

_Class = TypeVar("_Class", bound=Callable[..., Loss])

_KNOWN: dict[str, Callable[..., Loss]] = {
    kind.name: kind for kind in (CrossEntropy, LabelSmoothing, Focal, SquaredError, Logistic, ArcFace)
}
_METHODS = ("facts", "forward", "curvature")
LOSSES: Mapping[str, Callable[..., Loss]] = MappingProxyType(_KNOWN)


def register_loss(kind: _Class) -> _Class:
    """Make a loss known by its name, to ``UFMProblem(loss=...)``, files and ``--loss``.

    Parameters
    ----------
    kind : class
        A frozen dataclass that follows :class:`~sphereufm.problem.losses.interface.Loss`; its fields are the loss's
        parameters, with defaults.  Numbers among them are best kept as fractions, as the package's own losses do.

    Returns
    -------
    class
        The same, so that this works as a decorator.

    Raises
    ------
    InvalidInputError
        If it is no such class, or another loss has this name.

    Examples
    --------
    >>> register_loss(CrossEntropy) is CrossEntropy
    True
    """
    if not (is_dataclass(kind) and isinstance(getattr(kind, "name", None), str) and _is_loss(kind)):
        raise InvalidInputError(
            f"kind={kind!r} must be a dataclass with a name and the methods {', '.join(_METHODS)}"
        )
    if _KNOWN.setdefault(kind.name, kind) is not kind:
        raise InvalidInputError(f"name={kind.name!r} is taken by another loss; choose another name")
    return kind


def _is_loss(found: object) -> bool:
    """Whether it has a loss's methods."""
    return all(callable(getattr(found, method, None)) for method in _METHODS)


def find_loss(loss: str | Mapping[str, Any] | Loss) -> Loss:
    """Return the loss that a name, a JSON object or a loss itself stands for.

    Raises InvalidInputError if there is none of the name, or it has no such parameter.
    """
    if _is_loss(loss):
        return loss  # type: ignore[return-value]
    given = dict(loss) if isinstance(loss, Mapping) else {"name": loss}
    name = given.pop("name", None)
    if not isinstance(name, str) or name not in LOSSES:
        raise InvalidInputError(f"loss={name!r} must be {one_of(name, LOSSES)}")
    kind = LOSSES[name]
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for key in given:
        if key not in known:
            allowed = f"its parameters are {', '.join(known)}" if known else "it has none"
            raise InvalidInputError(f"loss {name!r} has no parameter {key!r}; {allowed}")
    return kind(**given)


def loss_to_json(loss: Loss) -> dict[str, Any]:
    """Describe a loss by its name and exact parameters."""
    parameters = {field.name: _plain(getattr(loss, field.name)) for field in fields(loss)}  # type: ignore[arg-type]
    return {"name": loss.name, **parameters}


def loss_in_words(loss: Loss) -> str:
    """Name and parameters, offsets without their numbers."""
    parameters = [
        f"{k} {v}" for k, v in loss_to_json(loss).items() if k != "name" and isinstance(v, str) and v != "0"
    ]
    offsets = ["offsets"] if getattr(loss, "offsets", None) is not None else []
    return " ".join([loss.name, *parameters, *offsets])


def _plain(value: Any) -> Any:
    """Fractions as text, sequences as lists."""
    if isinstance(value, Fraction):
        return str(value)
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value
