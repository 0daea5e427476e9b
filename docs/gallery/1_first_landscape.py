"""
A first landscape
=================

Three classes with one sample each, features in four dimensions. Which critical points does the cross-entropy of unit
features and unit classifiers have, and what are they?
"""

# %%
# The problem is stated by its class sizes, the dimension and the inverse temperature.

from sphereufm import UFMProblem, verify_landscape

problem = UFMProblem(class_sizes=(1, 1, 1), dim=4, tau=1)
report = verify_landscape(problem, starts=48, rng=0)

# %%
# One row is one orbit of critical points: points that differ by a rotation, or by renaming the classes, are one. The
# verdict rests on a theorem, not on this search.

report

# %%
# The fingerprint: cost against Morse index, the number of independent directions in which the cost curves downwards.

from sphereufm.plots import landscape_figure

figure = landscape_figure(report)

# %%
# At the minimum the classifiers are a simplex frame, here three unit vectors at 120 degrees, and each feature is at its
# classifier: neural collapse.

W, H = report.critical[0].X[:, :3], report.critical[0].X[:, 3:]
print((W.T @ W).round(6))
print((W.T @ H).round(6))
