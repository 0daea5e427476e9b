"""The public face of the solvers: checks, defaults, and names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from sphereufm.errors import InvalidInputError, check_integer, one_of
from sphereufm.geometry.spheres import Array, as_generator
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.own_costs.as_problem import as_problem
from sphereufm.solvers.loop import Batch
from sphereufm.solvers.record import Callback, Watch
from sphereufm.solvers.result import Settings, SolverResult
from sphereufm.solvers.strategies import Solver
from sphereufm.solvers.strategies.descent import BarzilaiBorwein, ConjugateGradient, SteepestDescent
from sphereufm.solvers.strategies.lbfgs import LBFGS
from sphereufm.solvers.strategies.second_order import AdaptiveCubic, NewtonPolish
from sphereufm.solvers.strategies.trust_region import TrustRegion

_ALL = (BarzilaiBorwein, LBFGS, TrustRegion, SteepestDescent, ConjugateGradient, AdaptiveCubic, NewtonPolish)
SOLVERS: Mapping[str, Callable[[], Solver]] = MappingProxyType({kind.name: kind for kind in _ALL})

# the quickest in the geometric mean over the standard suite, and on most of its instances
DEFAULT_SOLVER = "barzilai-borwein"


def solve(
    problem: SphereProblem,
    start: ArrayLike | None = None,
    *,
    rng: int | np.random.Generator = 0,
    solver: str | Solver = DEFAULT_SOLVER,
    settings: Settings | None = None,
    callback: Callback | None = None,
    record: bool = False,
) -> SolverResult:
    """Minimise a cost on a product of spheres from one start.

    Parameters
    ----------
    problem : SphereProblem, ExpressionInstance or pymanopt.Problem
        For example a :class:`~sphereufm.problem.ufm.UFMProblem`.
    start : array_like, shape (d, M), optional
        Unit columns; a random point drawn with ``rng`` if not given.
    rng : int or numpy.random.Generator
        Seed; also for the random tangent of the saddle escape.
    solver : str or Solver
        A name of ``SOLVERS``, or a configured instance.
    settings : Settings, optional
        Tolerances and limits.
    callback : callable, optional
        Called with a :class:`Progress` at every iterate; a true answer stops the run.
    record : bool
        Whether to keep a :class:`History`.

    Returns
    -------
    SolverResult
        Not converging is a result, with its reason, and not an error.  Convergence means that the gradient is
        small and that no negative curvature was found; it does not prove a minimum.  Ctrl-C returns the last iterate,
        with the reason ``INTERRUPTED``.

    Raises
    ------
    InvalidInputError
        If the start is no point of the manifold, the solver unknown, or a gap tolerance is asked of a problem
        without a gap.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> problem = UFMProblem(class_sizes=(2, 2, 2), dim=3, tau=1)
    >>> result = solve(problem, rng=0)
    >>> result.stop_reason.name, round(result.cost, 9)
    ('GRADIENT_TOLERANCE', 0.368981135)
    """
    problem, generator = as_problem(problem), as_generator(rng)
    if start is None:
        starts = problem.spheres.random_point(generator, (1,))
    else:
        starts = problem.spheres.check_points(start, "start")[None]
    watch = Watch(callback, record, keeps_interrupted=True)
    return _run(problem, starts, generator, solver, settings, watch)[0]


def solve_batch(
    problem: SphereProblem,
    starts: ArrayLike | int,
    *,
    rng: int | np.random.Generator = 0,
    solver: str | Solver = DEFAULT_SOLVER,
    settings: Settings | None = None,
    callback: Callback | None = None,
    record: bool = False,
) -> tuple[SolverResult, ...]:
    """Minimise from many starts at once; each stops on its own.

    ``starts``, shape ``(B, d, M)``: or how many to draw with ``rng``.  The rest is as for :func:`solve`; limits of
    calls and iterations hold for each start, the time limit for all together.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> problem = UFMProblem(class_sizes=(2, 2, 2), dim=3, tau=1)
    >>> results = solve_batch(problem, 8, rng=0)
    >>> {round(result.cost, 9) for result in results}
    {0.368981135}
    """
    problem, generator = as_problem(problem), as_generator(rng)
    if isinstance(starts, (int, np.integer)):
        count = check_integer("starts", starts, 1)
        points = problem.spheres.random_point(generator, (count,))
    else:
        points = problem.spheres.check_points(starts, "starts", 3)
    return _run(problem, points, generator, solver, settings, Watch(callback, record))


def _run(
    problem: SphereProblem,
    starts: Array,
    rng: np.random.Generator,
    solver: str | Solver,
    settings: Settings | None,
    watch: Watch,
) -> tuple[SolverResult, ...]:
    """Resolve names and defaults."""
    settings = Settings() if settings is None else settings
    if not isinstance(settings, Settings):
        raise InvalidInputError(
            f"settings={settings!r} must be Settings(...), for example Settings(tolerance=1e-6)"
        )
    if settings.gap_tolerance is not None and not capabilities.offers(problem, "optimality_gap"):
        raise InvalidInputError(
            f"gap_tolerance={settings.gap_tolerance} needs a problem with an optimality gap"
        )
    if isinstance(solver, str) and solver in SOLVERS:
        solver = SOLVERS[solver]()
    if isinstance(solver, type) or not (hasattr(solver, "start") and hasattr(solver, "name")):
        raise InvalidInputError(f"solver={solver!r} must be an instance, or {one_of(solver, SOLVERS)}")
    # a trial may lie where the cost is not finite, or products overflow: that ends a step, and is no warning
    with np.errstate(all="ignore"):
        return Batch(problem, starts, solver, settings, rng, watch).run()
