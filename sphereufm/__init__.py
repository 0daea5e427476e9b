"""Landscapes of optimisation problems on products of spheres: find, classify, prove.

Public names are imported when they are first used, so that ``import sphereufm`` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from sphereufm.features import CollapseMetrics as CollapseMetrics
    from sphereufm.features import FeatureSet as FeatureSet
    from sphereufm.features import collapse_metrics as collapse_metrics
    from sphereufm.features import load_features as load_features
    from sphereufm.geometry.alignment import align as align
    from sphereufm.geometry.alignment import canonical_key as canonical_key
    from sphereufm.geometry.spheres import ProductOfSpheres as ProductOfSpheres
    from sphereufm.geometry.symmetry import ColumnPermutations as ColumnPermutations
    from sphereufm.geometry.symmetry import SymmetryGroup as SymmetryGroup
    from sphereufm.landscape.branch_report import BranchReport as BranchReport
    from sphereufm.landscape.branches import trace_branches as trace_branches
    from sphereufm.landscape.connect import connect_landscape as connect_landscape
    from sphereufm.landscape.derivatives import DerivativeCheck as DerivativeCheck
    from sphereufm.landscape.derivatives import check_gradient as check_gradient
    from sphereufm.landscape.derivatives import check_hessian as check_hessian
    from sphereufm.landscape.extreme import HessianExtreme as HessianExtreme
    from sphereufm.landscape.extreme import hessian_extreme as hessian_extreme
    from sphereufm.landscape.hessian import hessian_matrix as hessian_matrix
    from sphereufm.landscape.newton import find_critical_points as find_critical_points
    from sphereufm.landscape.points import CriticalFamily as CriticalFamily
    from sphereufm.landscape.points import CriticalPoint as CriticalPoint
    from sphereufm.landscape.points import CriticalPointKind as CriticalPointKind
    from sphereufm.landscape.points import LandscapeVerdict as LandscapeVerdict
    from sphereufm.landscape.points import embed as embed
    from sphereufm.landscape.position import position as position
    from sphereufm.landscape.proofs import prove_landscape as prove_landscape
    from sphereufm.landscape.result import LandscapeReport as LandscapeReport
    from sphereufm.landscape.result import load_report as load_report
    from sphereufm.landscape.spectrum import HessianSpectrum as HessianSpectrum
    from sphereufm.landscape.spectrum import hessian_spectrum as hessian_spectrum
    from sphereufm.landscape.symmetric_search import symmetric_critical_points as symmetric_critical_points
    from sphereufm.landscape.verify import verify_landscape as verify_landscape
    from sphereufm.problem.gap import optimality_gap as optimality_gap
    from sphereufm.problem.pymanopt_bridge import from_pymanopt as from_pymanopt
    from sphereufm.problem.theory import collapsed_point as collapsed_point
    from sphereufm.problem.theory import global_minimum as global_minimum
    from sphereufm.problem.theory import simplex_etf as simplex_etf
    from sphereufm.problem.theory import theorem_s as theorem_s
    from sphereufm.problem.ufm import UFMProblem as UFMProblem
    from sphereufm.solvers import SolverResult as SolverResult
    from sphereufm.solvers import StopReason as StopReason
    from sphereufm.solvers import solve as solve

_HOME = {
    "BranchReport": "landscape.branch_report",
    "CollapseMetrics": "features",
    "ColumnPermutations": "geometry.symmetry",
    "CriticalFamily": "landscape.points",
    "CriticalPoint": "landscape.points",
    "CriticalPointKind": "landscape.points",
    "DerivativeCheck": "landscape.derivatives",
    "FeatureSet": "features",
    "HessianExtreme": "landscape.extreme",
    "HessianSpectrum": "landscape.spectrum",
    "LandscapeReport": "landscape.result",
    "LandscapeVerdict": "landscape.points",
    "ProductOfSpheres": "geometry.spheres",
    "SolverResult": "solvers",
    "StopReason": "solvers",
    "SymmetryGroup": "geometry.symmetry",
    "UFMProblem": "problem.ufm",
    "align": "geometry.alignment",
    "canonical_key": "geometry.alignment",
    "check_gradient": "landscape.derivatives",
    "check_hessian": "landscape.derivatives",
    "collapse_metrics": "features",
    "collapsed_point": "problem.theory",
    "connect_landscape": "landscape.connect",
    "embed": "landscape.points",
    "find_critical_points": "landscape.newton",
    "from_pymanopt": "problem.pymanopt_bridge",
    "global_minimum": "problem.theory",
    "hessian_extreme": "landscape.extreme",
    "hessian_matrix": "landscape.hessian",
    "hessian_spectrum": "landscape.spectrum",
    "load_features": "features",
    "load_report": "landscape.result",
    "optimality_gap": "problem.gap",
    "position": "landscape.position",
    "simplex_etf": "problem.theory",
    "solve": "solvers",
    "symmetric_critical_points": "landscape.symmetric_search",
    "theorem_s": "problem.theory",
    "trace_branches": "landscape.branches",
    "prove_landscape": "landscape.proofs",
    "verify_landscape": "landscape.verify",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
