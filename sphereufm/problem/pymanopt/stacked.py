"""A cost at stacks of points by its framework's own ``vmap``; JAX and PyTorch give the same names to what is needed.

The framework is the one that the user's cost was decorated for: it is loaded, and is not imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sphereufm.geometry.spheres import Array

# points in one call of a compiled function
_LARGEST = 1024
# parts of a stack, each of shape (B, ...), and tangents alike
_Call = Callable[..., list[Array]]


@dataclass(frozen=True, eq=False, slots=True)
class Stacked:
    """Cost, Euclidean gradient and Euclidean Hessian product; of lists of parts, each with the points first."""

    cost: _Call
    gradient: _Call
    product: _Call


def stacked(problem: Any, parts: int) -> Stacked | None:
    """The calls for a Pymanopt problem with so many parts; None for other backends, and for derivatives by hand.

    Derivatives that Pymanopt derived itself when it was asked before are not by hand.
    """
    decorated = problem._original_cost
    framework = {"Function <Jax>": "jax", "Function <PyTorch>": "torch"}.get(str(decorated))
    by_hand = any(
        getattr(problem, f"_{metric}_{kind}") is not None and getattr(decorated, f"_{kind}") is None
        for metric in ("euclidean", "riemannian")
        for kind in ("gradient", "hessian")
    )
    if framework is None or by_hand:
        return None
    library: Any = sys.modules[framework]
    call, functions = (_jax_call, library) if framework == "jax" else (_torch_call, library.func)
    cost = decorated._original_function
    slopes = functions.grad(cost, argnums=tuple(range(parts)))
    return Stacked(
        cost=call(library, functions.vmap(lambda x: (cost(*x),))),
        gradient=call(library, functions.vmap(lambda x: slopes(*x))),
        product=call(library, functions.vmap(lambda x, u: functions.jvp(slopes, x, u)[1])),
    )


def _torch_call(torch: Any, mapped: Callable[..., Any]) -> _Call:
    """A mapped function of arrays; its results may remember gradients."""

    def run(*stacks: list[Array]) -> list[Array]:
        found = mapped(*(tuple(torch.from_numpy(part) for part in stack) for stack in stacks))
        return [np.array(part.detach().numpy(), dtype=np.float64) for part in found]

    return run


def _jax_call(jax: Any, mapped: Callable[..., Any]) -> _Call:
    """A mapped function of arrays, compiled once for each of a few sizes: powers of four, filled up by copies."""
    compiled = jax.jit(mapped)

    def run(*stacks: list[Array]) -> list[Array]:
        size = len(stacks[0][0])
        pieces = [
            _filled(compiled, [[part[i : i + _LARGEST] for part in stack] for stack in stacks])
            for i in range(0, size, _LARGEST)
        ]
        return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]

    return run


def _filled(compiled: Callable[..., Any], stacks: list[list[Array]]) -> list[Array]:
    """Results for one piece of the stacks."""
    size = len(stacks[0][0])
    whole = 4
    while whole < size:
        whole *= 4
    rows = np.minimum(np.arange(whole), size - 1)
    found = compiled(*(tuple(part[rows] for part in stack) for stack in stacks))
    return [np.asarray(part, dtype=np.float64)[:size] for part in found]
