"""
A Pymanopt problem of one's own
===============================

Six points on a sphere that repel each other. The cost is written for Pymanopt; derivatives come from autograd.
"""

# %%
# The symmetry, rotations and any renaming of the points, is declared, and tried out at a few random points.

import autograd.numpy as anp
import pymanopt

from sphereufm import SymmetryGroup, from_pymanopt, verify_landscape

space = pymanopt.manifolds.Oblique(3, 6)


@pymanopt.function.autograd(space)
def energy(X):
    return anp.sum(anp.exp(2 * X.T @ X)) / 2 - 3 * anp.exp(2)


problem = from_pymanopt(pymanopt.Problem(space, energy), SymmetryGroup.full(6))

# %%
# No theorem speaks of this cost, so the verdict is UNDECIDED: a search that found no counterexample proves nothing.

report = verify_landscape(problem, starts=8, rng=0)
report

# %%
# The lowest point found is the octahedron, the next ones are configurations of less symmetry.

import numpy as np
from matplotlib.figure import Figure

from sphereufm import embed

figure = Figure(figsize=(9, 3.2), layout="constrained")
for place, entry in enumerate(report.critical[:3]):
    X = embed(entry.X, 3)
    axes = figure.add_subplot(1, 3, place + 1, projection="3d")
    axes.scatter(*X, s=40, depthshade=False)
    fourth = np.sort(X.T @ X, axis=1)[:, [-4]]
    near = X.T @ X - fourth > -1e-6
    for i, j in np.argwhere(np.triu(near, 1)):
        axes.plot(*X[:, [i, j]], color="0.6", lw=1)
    axes.set_box_aspect((1, 1, 1))
    axes.set_axis_off()
    axes.set_title(f"cost {entry.cost:.4f}, Morse index {entry.morse_index}", fontsize=9)
