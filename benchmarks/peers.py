"""Other people's solvers, for ``sphereufm compare --peers benchmarks/peers.py``.

Each is a function ``run(problem, start, gauge)``: it makes its own problem, starts the gauge's clock, and counts its
calls; the gauge ends the run (see ``sphereufm.comparison.peers``).  Limits of their own are so wide that only the
gauge ends a run.  Manopt runs under GNU Octave where the environment variable ``MANOPT_PATH`` names its folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

# at the top: libraries that are loaded later would escape the limit of one BLAS thread
from scipy.io import loadmat, savemat
from scipy.optimize import minimize

from sphereufm.comparison import Gauge, Peer
from sphereufm.comparison.problems import Quadratic, Thomson
from sphereufm.geometry.spheres import Array, column_norms, project
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.ufm import UFMProblem

__all__ = ["PEERS", "available_peers"]

_HERE = Path(__file__).parent
_OCTAVE = ("octave-cli", "--no-gui", "--no-history", "--no-init-file", "--quiet")


def _pymanopt_functions(problem: SphereProblem, gauge: Gauge, derivatives: str) -> Any:
    """A ``pymanopt.Problem`` whose closures count and are gauged."""
    import pymanopt
    from pymanopt.manifolds import Oblique

    space = Oblique(*problem.spheres.shape)
    if isinstance(problem, UFMProblem):
        inner = problem.to_pymanopt(derivatives=derivatives)
        functions = inner.cost, inner.euclidean_gradient, inner.euclidean_hessian
    else:
        functions = _closed_forms(problem)

    @pymanopt.function.numpy(space)
    def cost(X: Array) -> float:
        gauge.count("cost")
        return functions[0](X)

    @pymanopt.function.numpy(space)
    def gradient(X: Array) -> Array:
        gauge.count("gradient")
        value = functions[1](X)
        gauge.look(X)
        return value

    @pymanopt.function.numpy(space)
    def hessian(X: Array, U: Array) -> Array:
        gauge.count("hessian")
        return functions[2](X, U)

    return pymanopt.Problem(space, cost, euclidean_gradient=gradient, euclidean_hessian=hessian)


def _closed_forms(problem: Any) -> tuple[Callable[..., Any], ...]:
    """Euclidean closed forms with a one-point store, as the export of the cross-entropy problem has."""
    store: list[Any] = [None]

    def at(X: Array) -> Any:
        if store[0] is None or not np.array_equal(store[0].X, X):
            store[0] = problem.at(np.array(X))
        return store[0]

    return (
        lambda X: float(at(X).cost),
        lambda X: at(X).euclidean_gradient,
        lambda X, U: at(X).euclidean_hessian_product(U),
    )


def _pymanopt(optimizer: str, derivatives: str) -> Peer:
    """Pymanopt's solvers; limits so wide that only the gauge ends a run."""

    def run(problem: SphereProblem, start: Array, gauge: Gauge) -> None:
        from pymanopt import optimizers

        exported = _pymanopt_functions(problem, gauge, derivatives)
        solver = getattr(optimizers, optimizer)(
            max_time=10.0 * gauge.limit,
            max_iterations=10**7,
            min_gradient_norm=1e-300,
            min_step_size=1e-300,
            verbosity=0,
        )
        gauge.begin()
        solver.run(exported, initial_point=start.copy())

    return run


def _scipy(method: str) -> Peer:
    """SciPy on the normalised parametrisation ``f(x / |x|)``, column by column."""

    def run(problem: SphereProblem, start: Array, gauge: Gauge) -> None:
        shape = start.shape
        store: list[Any] = [None, None, None]

        def at(x: Array) -> tuple[Any, Array]:
            if store[0] is None or not np.array_equal(store[0], x):
                X = x.reshape(shape)
                norms = column_norms(X)
                store[:] = [x.copy(), problem.at(X / norms), norms]
            return store[1], store[2]

        def both(x: Array) -> tuple[float, Array]:
            gauge.count("cost", "gradient")
            point, norms = at(x)
            value = float(point.cost), (point.gradient / norms).ravel()
            gauge.look(x.reshape(shape))
            return value

        def product(x: Array, v: Array) -> Array:
            gauge.count("hessian")
            point, norms = at(x)
            V, U, g = v.reshape(shape), point.X, point.gradient
            along = np.einsum("dm,dm->m", U, V)
            across = project(U, V)
            bend = U * np.einsum("dm,dm->m", across, g) + g * along
            return ((point.hessian_product(across) - bend) / norms**2).ravel()

        options: dict[str, Any] = {"maxiter": 10**7}
        if method == "L-BFGS-B":
            options |= {"maxfun": 10**7, "ftol": 0.0, "gtol": 0.0}
        else:
            options |= {"gtol": 0.0}
        hessp = product if method == "trust-ncg" else None
        gauge.begin()
        minimize(both, start.ravel(), jac=True, hessp=hessp, method=method, options=options)

    return run


def _geoopt(optimizer: str, rate: float) -> Peer:
    """Geoopt's optimisers with autograd of torch, full batch, on columns as rows of ``Sphere()``."""

    def run(problem: SphereProblem, start: Array, gauge: Gauge) -> None:
        import geoopt
        import torch

        if not isinstance(problem, UFMProblem):
            raise NotImplementedError("only the cross-entropy problem is written in torch here")
        torch.set_num_threads(1)
        K, tau = problem.classes, problem.tau
        labels = torch.tensor(np.array(problem.labels), dtype=torch.long)
        weights = torch.tensor(np.array(problem.weights))
        X = geoopt.ManifoldParameter(torch.tensor(start.T.copy()), manifold=geoopt.Sphere())
        solver = getattr(geoopt.optim, optimizer)([X], lr=rate)

        def closure() -> Any:
            gauge.count("cost", "gradient")
            solver.zero_grad()
            logits = tau * X[K:] @ X[:K].T
            loss = (weights * torch.nn.functional.cross_entropy(logits, labels, reduction="none")).sum()
            loss.backward()
            gauge.look(X.detach().numpy().T)
            return loss

        gauge.begin()
        while True:
            solver.step(closure)

    return run


def _manopt(solver: str) -> Peer:
    """Manopt's solvers in a process of their own; only the solve is timed, in there, and not Octave's start."""

    def run(problem: SphereProblem, start: Array, gauge: Gauge) -> None:
        # Octave's stop is a hair stricter, so that other rounding here does not turn success into failure
        task = _in_octave(problem) | {
            "start": start,
            "limit": gauge.limit,
            "tolerance": 0.99 * gauge.tolerance,
        }
        task["processor_time"] = float(gauge.clock is time.process_time)
        with TemporaryDirectory() as folder:
            given, answer = Path(folder, "task.mat"), Path(folder, "run.mat")
            savemat(given, task)
            arguments = ", ".join(f"'{word}'" for word in (os.environ["MANOPT_PATH"], solver, given, answer))
            command = [*_OCTAVE, "--path", str(_HERE), "--eval", f"manopt_peer({arguments})"]
            one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            patience = 2.0 * gauge.limit + 60.0
            subprocess.run(command, check=True, capture_output=True, env=one_thread, timeout=patience)
            found = loadmat(answer)
        calls = dict(
            zip(("cost", "gradient", "hessian"), found["calls"].ravel().astype(int).tolist(), strict=True)
        )
        gauge.take_over(found["X"], float(found["seconds"].item()), calls)
        if (note := str(found["note"].item())) != "returned":
            raise RuntimeError(note)

    return run


def _in_octave(problem: SphereProblem) -> dict[str, Any]:
    """A problem as ``manopt_peer.m`` reads it."""
    match problem:
        case UFMProblem():
            labels = problem.labels + 1.0
            words = {"classes": float(problem.classes), "tau": problem.tau, "labels": labels}
            return {"kind": "cross-entropy", "weights": np.array(problem.weights), **words}
        case Quadratic():
            return {"kind": "quadratic", "A": problem.A, "left": problem.left, "scale": problem.scale}
        case Thomson():
            return {"kind": "thomson"}
    raise NotImplementedError(f"{type(problem).__name__} is not written in Octave here")


PEERS: dict[str, Peer] = {
    "pymanopt-sd-autograd": _pymanopt("SteepestDescent", "autograd"),
    "pymanopt-cg-autograd": _pymanopt("ConjugateGradient", "autograd"),
    "pymanopt-tr-autograd": _pymanopt("TrustRegions", "autograd"),
    "pymanopt-sd": _pymanopt("SteepestDescent", "closed-form"),
    "pymanopt-cg": _pymanopt("ConjugateGradient", "closed-form"),
    "pymanopt-tr": _pymanopt("TrustRegions", "closed-form"),
    "scipy-lbfgsb": _scipy("L-BFGS-B"),
    "scipy-trust-ncg": _scipy("trust-ncg"),
    # the best of the rates 0.01, 0.1, 1, 10 on the small suite
    "geoopt-rsgd": _geoopt("RiemannianSGD", 1.0),
    "geoopt-radam": _geoopt("RiemannianAdam", 1.0),
    "manopt-tr": _manopt("trustregions"),
    "manopt-lbfgs": _manopt("rlbfgs"),
    "manopt-cg": _manopt("conjugategradient"),
}


def available_peers() -> list[str]:
    """Names of the peers whose packages are installed here."""
    from importlib.util import find_spec

    here = {package: find_spec(package) is not None for package in ("pymanopt", "scipy", "geoopt")}
    folder = os.environ.get("MANOPT_PATH")
    here["manopt"] = bool(folder and Path(folder, "manopt").is_dir() and shutil.which(_OCTAVE[0]))
    return [name for name in PEERS if here[name.split("-", 1)[0]]]
