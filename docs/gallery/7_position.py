"""
A network on its landscape
==========================

A trained network with unit features is a point of the landscape of its own problem. How high above the global minimum
does it stand? A bound that needs no training of a better network says so.
"""

# %%
# The bound is weak duality: any point, critical or not, bounds the minimum from below by its own multipliers.

from pathlib import Path

from sphereufm import load_features, position

folder = Path.cwd().parents[1] / "tests" / "data"
features = load_features(folder / "digits_normalised.npz")
place = position(features, tau=5)
print(place)

# %%
# By hand: features and classifier are one point ``X = [W H]`` with unit columns, the columns of the file's rows. What
# would other temperatures say of the same point?

import numpy as np
from matplotlib.figure import Figure

from sphereufm import UFMProblem, optimality_gap

with np.load(folder / "digits_normalised.npz") as saved:
    X = np.vstack([saved["classifier"], saved["features"]]).T.astype(float)
X /= np.linalg.norm(X, axis=0)
problem = UFMProblem(labels=features.labels, dim=len(X), tau=5)
taus = np.geomspace(0.5, 20, 13)
costs = np.array([problem.with_tau(tau).cost(X) for tau in taus])
gaps = np.array([optimality_gap(problem.with_tau(tau), X).value for tau in taus])

figure = Figure(figsize=(7.2, 4.2), layout="constrained")
axes = figure.add_subplot()
axes.loglog(taus, costs, ".-", label="cost of the network")
axes.loglog(taus, costs - gaps, ".-", label="no unit features and classifiers have less (numerical)")
axes.fill_between(taus, costs - gaps, costs, alpha=0.15)
axes.axvline(5, color="0.6", lw=1, label="tau in training")
axes.set_xlabel("tau")
axes.set_ylabel("nats")
axes.legend(frameon=False)
axes.grid(alpha=0.25)

# %%
# "Numerical" is meant: the bound is computed in floating point. At this size it can be proved, too; see *large gaps*.
