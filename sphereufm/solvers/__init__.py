"""Riemannian solvers on products of spheres: one loop, many strategies, one start or a batch.

:func:`solve` runs one start, :func:`solve_batch` many at once.  ``SOLVERS`` names every solver; a configured
instance (``LBFGS(memory=20)``) can be given instead of a name.

In: a problem and starts.  Out: :class:`~sphereufm.solvers.result.SolverResult`; numerical.
Calls ``problem`` and ``geometry``; landscapes, ``comparison`` and the command line call it.
"""

from __future__ import annotations

from sphereufm.solvers.result import Calls as Calls
from sphereufm.solvers.result import History as History
from sphereufm.solvers.result import Progress as Progress
from sphereufm.solvers.result import Settings as Settings
from sphereufm.solvers.result import SolverResult as SolverResult
from sphereufm.solvers.result import StopReason as StopReason
from sphereufm.solvers.solve import DEFAULT_SOLVER as DEFAULT_SOLVER
from sphereufm.solvers.solve import SOLVERS as SOLVERS
from sphereufm.solvers.solve import solve as solve
from sphereufm.solvers.solve import solve_batch as solve_batch
from sphereufm.solvers.strategies import Solver as Solver
from sphereufm.solvers.strategies.descent import BarzilaiBorwein as BarzilaiBorwein
from sphereufm.solvers.strategies.descent import ConjugateGradient as ConjugateGradient
from sphereufm.solvers.strategies.descent import SteepestDescent as SteepestDescent
from sphereufm.solvers.strategies.lbfgs import LBFGS as LBFGS
from sphereufm.solvers.strategies.second_order import AdaptiveCubic as AdaptiveCubic
from sphereufm.solvers.strategies.second_order import NewtonPolish as NewtonPolish
from sphereufm.solvers.strategies.trust_region import TrustRegion as TrustRegion
