"""
Below ``d = K``: a proved counterexample
========================================

For ``d >= max(K, 3)`` every critical point is a global minimiser or a strict saddle. One dimension less, and it can
fail: four classes in three dimensions, five samples, one of them light.
"""

# %%
# Put the classifiers in a simplex frame and each feature at its classifier, but turn the light sample round. A local
# minimum is near.

import numpy as np

from sphereufm import UFMProblem, find_critical_points, hessian_spectrum, simplex_etf

labels = [0, 1, 2, 3, 3]
problem = UFMProblem(labels=labels, dim=3, tau="15/4", weights=["1", "1", "1", "1", "1/500"])
W = simplex_etf(4, 3)
collapsed = np.hstack([W, W[:, labels]])
turned = collapsed.copy()
turned[:, -1] *= -1
X = find_critical_points(problem, turned[None], tolerance=1e-13).X[0]
print(f"cost {problem.cost(X):.7f}; with every feature at its classifier {problem.cost(collapsed):.7f}")
hessian_spectrum(problem, X)

# %%
# A proof: an exact critical point exists near ``X``, it is a local minimiser, and the other point is lower.

from sphereufm.certify import ExactInstance, prove_point
from sphereufm.certify.checker import check_bytes
from sphereufm.certify.json_format import certificate_to_json

certificate = prove_point(ExactInstance.from_problem(problem), X, lower=collapsed)
result = check_bytes(certificate_to_json(certificate).encode())
print(f"{result.status}: {result.row}")
for claim in result.claims:
    print(f"  {claim.status} {claim.type}: {claim.text}")

# %%
# One dimension more, and the same configuration is a strict saddle: the light sample turns back through the new
# dimension.

roomy = UFMProblem(labels=labels, dim=4, tau="15/4", weights=["1", "1", "1", "1", "1/500"])
spectrum = hessian_spectrum(roomy, np.vstack([X, np.zeros(9)]))
print(f"d = 4: Morse index {spectrum.morse_index}, least eigenvalue {spectrum.min_eigenvalue:.5f}")

# %%
# The configuration: classifiers as lines, features as dots.

from matplotlib.figure import Figure

figure = Figure(figsize=(5, 4.6), layout="constrained")
axes = figure.add_subplot(projection="3d")
for w, colour in zip(X[:, :4].T, ("C0", "C1", "C2", "C3"), strict=True):
    axes.plot(*np.array([0 * w, w]).T, color=colour)
axes.scatter(*X[:, 4:8], c=["C0", "C1", "C2", "C3"], s=50, depthshade=False)
axes.scatter(*X[:, 8:], c="C3", s=80, marker="X", depthshade=False, label="the light sample")
axes.set_box_aspect((1, 1, 1))
axes.set_axis_off()
axes.legend(frameon=False)
