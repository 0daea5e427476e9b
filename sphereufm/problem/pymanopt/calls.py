"""A Pymanopt problem asked at stacks of points ``(B, d, M)``: point by point, or by its framework's own ``vmap``.

JAX and PyTorch give the same names to what is needed.  The framework is the one that the user's cost was decorated for:
it is loaded, and is not imported here.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import starmap
from typing import Any

import numpy as np

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array
from sphereufm.problem.pymanopt.layout import Layout, real_array

# points in one call of a compiled function
_LARGEST = 1024


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings: infinite values and costs without curvature are ordinary answers, frameworks have their own."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True, eq=False, slots=True)
class Calls:
    """Whom to ask; gradients and products are Euclidean, or Riemannian where the user wrote those."""

    cost: Callable[[Array], Array]  #: of a stack, shape ``(B,)``
    gradient: Callable[[Array], Array]  #: shape ``(B, d, M)``
    product: Callable[[Array, Array], Array]  #: with tangents, shape ``(B, d, M)``
    is_riemannian: bool  #: whether products have the part that comes from the spheres


def looped(problem: Any, layout: Layout) -> Calls:
    """Point by point.  What the user supplied is used as it is: it may be what is to be checked."""

    def columns(name: str) -> Callable[..., Array]:
        def run(*stacks: Array) -> Array:
            function, rows = getattr(problem, name), stacks[0].shape[-2]
            points = zip(*([layout.parts(x) for x in stack] for stack in stacks), strict=True)
            parts = (found if layout.is_product else [found] for found in starmap(function, points))
            return np.array([layout.joined(name, each, rows) for each in parts]).reshape(stacks[0].shape)

        return run

    def costs(X: Array) -> Array:
        return np.array([_number(problem.cost(layout.parts(x))) for x in X])

    gradient, product = (
        getattr(problem, f"_riemannian_{kind}") is not None for kind in ("gradient", "hessian")
    )
    own = gradient or product
    return Calls(
        costs,
        columns("riemannian_gradient" if gradient else "euclidean_gradient"),
        columns("riemannian_hessian" if own else "euclidean_hessian"),
        own,
    )


def _number(value: Any) -> Array:
    """What the user's cost returned, if it is one number."""
    number = real_array("cost", value)
    if number.shape != ():
        raise InvalidInputError(
            f"the cost returned an array of shape {number.shape}, but one number is needed; end it with a sum"
        )
    return number


def mapped(problem: Any, layout: Layout) -> Calls | None:
    """By ``vmap``; None for other backends, complex factors and derivatives by hand.

    Derivatives that Pymanopt derived itself when it was asked before are not by hand.
    """
    decorated = problem._original_cost
    framework = {"Function <Jax>": "jax", "Function <PyTorch>": "torch"}.get(str(decorated))
    by_hand = any(
        getattr(problem, f"_{metric}_{kind}") is not None and getattr(decorated, f"_{kind}") is None
        for metric in ("euclidean", "riemannian")
        for kind in ("gradient", "hessian")
    )
    if framework is None or by_hand or any(factor.kind == "complex" for factor in layout.factors):
        return None
    library: Any = sys.modules[framework]
    call, functions = (_jax_call, library) if framework == "jax" else (_torch_call, library.func)

    def asked(function: Callable[..., Any]) -> Callable[..., list[Array]]:
        run = call(library, functions.vmap(function))
        return lambda *stacks: run(*map(layout.part_list, stacks))

    def columns(name: str, function: Callable[..., Any]) -> Callable[..., Array]:
        run = asked(function)
        return lambda *stacks: layout.joined(name, run(*stacks), stacks[0].shape[-2], stacks[0].shape[:1])

    cost = decorated._original_function
    slopes = functions.grad(cost, argnums=tuple(range(len(layout.factors))))
    costs = asked(lambda x: (cost(*x),))
    return Calls(
        lambda X: costs(X)[0],
        columns("gradient", lambda x: slopes(*x)),
        columns("product", lambda x, u: functions.jvp(slopes, x, u)[1]),
        is_riemannian=False,
    )


def _torch_call(torch: Any, function: Callable[..., Any]) -> Callable[..., list[Array]]:
    """A mapped function of arrays; its results may remember gradients."""

    def run(*stacks: list[Array]) -> list[Array]:
        found = function(*(tuple(torch.from_numpy(part) for part in stack) for stack in stacks))
        return [np.array(part.detach().numpy(), dtype=np.float64) for part in found]

    return run


def _jax_call(jax: Any, function: Callable[..., Any]) -> Callable[..., list[Array]]:
    """A mapped function of arrays, compiled once for each of a few sizes: powers of four, filled up by copies."""
    compiled = jax.jit(function)

    def piece(stacks: tuple[list[Array], ...], first: int, size: int) -> list[Array]:
        whole = 4
        while whole < size:
            whole *= 4
        rows = first + np.minimum(np.arange(whole), size - 1)
        found = compiled(*(tuple(part[rows] for part in stack) for stack in stacks))
        return [np.asarray(part, dtype=np.float64)[:size] for part in found]

    def run(*stacks: list[Array]) -> list[Array]:
        total = len(stacks[0][0])
        pieces = [piece(stacks, first, min(_LARGEST, total - first)) for first in range(0, total, _LARGEST)]
        return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]

    return run
