"""Landscapes of optimisation problems on products of spheres: find, classify, prove.

Public names are imported when they are first used, so that ``import sphereufm`` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sphereufm.version import __version__ as __version__

if TYPE_CHECKING:
    from sphereufm.branches.report import BranchReport as BranchReport
    from sphereufm.branches.trace import trace_branches as trace_branches
    from sphereufm.complete.outcome import CompleteList as CompleteList
    from sphereufm.complete.prove import prove_complete as prove_complete
    from sphereufm.descents.connect import connect_landscape as connect_landscape
    from sphereufm.features import CollapseMetrics as CollapseMetrics
    from sphereufm.features import FeatureSet as FeatureSet
    from sphereufm.features import collapse_metrics as collapse_metrics
    from sphereufm.features import load_features as load_features
    from sphereufm.geometry.spheres import ProductOfSpheres as ProductOfSpheres
    from sphereufm.geometry.symmetry.alignment import align as align
    from sphereufm.geometry.symmetry.alignment import canonical_key as canonical_key
    from sphereufm.geometry.symmetry.groups import ColumnPermutations as ColumnPermutations
    from sphereufm.geometry.symmetry.groups import SymmetryGroup as SymmetryGroup
    from sphereufm.landscape.plan import plan_landscape as plan_landscape
    from sphereufm.landscape.points import CriticalFamily as CriticalFamily
    from sphereufm.landscape.points import CriticalPoint as CriticalPoint
    from sphereufm.landscape.points import CriticalPointKind as CriticalPointKind
    from sphereufm.landscape.points import LandscapeVerdict as LandscapeVerdict
    from sphereufm.landscape.points import embed as embed
    from sphereufm.landscape.proofs import prove_landscape as prove_landscape
    from sphereufm.landscape.report.landscape_report import LandscapeReport as LandscapeReport
    from sphereufm.landscape.report.landscape_report import load_report as load_report
    from sphereufm.landscape.search.squared_gradient import find_critical_points as find_critical_points
    from sphereufm.landscape.symmetric_search import symmetric_critical_points as symmetric_critical_points
    from sphereufm.landscape.verify import verify_landscape as verify_landscape
    from sphereufm.placement import position as position
    from sphereufm.plots.landscape import landscape_figure as landscape_figure
    from sphereufm.problem.derivative_checks import DerivativeCheck as DerivativeCheck
    from sphereufm.problem.derivative_checks import check_gradient as check_gradient
    from sphereufm.problem.derivative_checks import check_hessian as check_hessian
    from sphereufm.problem.losses.registry import register_loss as register_loss
    from sphereufm.problem.own_costs.as_problem import optimality_gap as optimality_gap
    from sphereufm.problem.pymanopt.from_pymanopt import from_pymanopt as from_pymanopt
    from sphereufm.problem.theory.theorems import collapsed_point as collapsed_point
    from sphereufm.problem.theory.theorems import global_minimum as global_minimum
    from sphereufm.problem.theory.theorems import simplex_etf as simplex_etf
    from sphereufm.problem.theory.theorems import theorem_s as theorem_s
    from sphereufm.problem.ufm import UFMProblem as UFMProblem
    from sphereufm.report.landscape import landscape_html as landscape_html
    from sphereufm.solvers import SolverResult as SolverResult
    from sphereufm.solvers import StopReason as StopReason
    from sphereufm.solvers import solve as solve
    from sphereufm.spectra.extreme import HessianExtreme as HessianExtreme
    from sphereufm.spectra.extreme import hessian_extreme as hessian_extreme
    from sphereufm.spectra.matrix import hessian_matrix as hessian_matrix
    from sphereufm.spectra.spectrum import HessianSpectrum as HessianSpectrum
    from sphereufm.spectra.spectrum import hessian_spectrum as hessian_spectrum

_HOME = {
    "BranchReport": "branches.report",
    "CollapseMetrics": "features",
    "ColumnPermutations": "geometry.symmetry.groups",
    "CompleteList": "complete.outcome",
    "CriticalFamily": "landscape.points",
    "CriticalPoint": "landscape.points",
    "CriticalPointKind": "landscape.points",
    "DerivativeCheck": "problem.derivative_checks",
    "FeatureSet": "features",
    "HessianExtreme": "spectra.extreme",
    "HessianSpectrum": "spectra.spectrum",
    "LandscapeReport": "landscape.report.landscape_report",
    "LandscapeVerdict": "landscape.points",
    "ProductOfSpheres": "geometry.spheres",
    "SolverResult": "solvers",
    "StopReason": "solvers",
    "SymmetryGroup": "geometry.symmetry.groups",
    "UFMProblem": "problem.ufm",
    "align": "geometry.symmetry.alignment",
    "canonical_key": "geometry.symmetry.alignment",
    "check_gradient": "problem.derivative_checks",
    "check_hessian": "problem.derivative_checks",
    "collapse_metrics": "features",
    "collapsed_point": "problem.theory.theorems",
    "connect_landscape": "descents.connect",
    "embed": "landscape.points",
    "find_critical_points": "landscape.search.squared_gradient",
    "from_pymanopt": "problem.pymanopt.from_pymanopt",
    "global_minimum": "problem.theory.theorems",
    "hessian_extreme": "spectra.extreme",
    "hessian_matrix": "spectra.matrix",
    "hessian_spectrum": "spectra.spectrum",
    "landscape_figure": "plots.landscape",
    "landscape_html": "report.landscape",
    "load_features": "features",
    "load_report": "landscape.report.landscape_report",
    "optimality_gap": "problem.own_costs.as_problem",
    "position": "placement",
    "simplex_etf": "problem.theory.theorems",
    "solve": "solvers",
    "symmetric_critical_points": "landscape.symmetric_search",
    "register_loss": "problem.losses.registry",
    "theorem_s": "problem.theory.theorems",
    "trace_branches": "branches.trace",
    "prove_complete": "complete.prove",
    "plan_landscape": "landscape.plan",
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
