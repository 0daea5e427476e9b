"""
All critical points, proved
===========================

On small instances the list of critical points is not a lower bound: it is proved to be all there is.
"""

# %%
# Three oscillators on a circle, coupled and in a field, written as an expression.

from sphereufm import prove_complete
from sphereufm.certify.expressions import Cost

cost = Cost(dim=2, columns=3)
coupling = sum(-1 * cost.gram(i, j) for i in range(3) for j in range(i))
energy = coupling + cost.x(0, 0) / 2
found = prove_complete(cost.instance(energy))
print(found.status.name, f"after {found.boxes} boxes:", found.statement)

# %%
# Two classes of normalised features are known in closed form, whatever the weights and the temperature.

from sphereufm import UFMProblem

problem = UFMProblem(class_sizes=(3, 2), dim=3, tau=1)
found = prove_complete(problem)
print(found.status.name, len(found.points), "orbits, of", sum(found.copies), "sign patterns and distances")

# %%
# The lowest of them is the global minimum: a list of all critical points leaves nothing below it.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(6, 3))
axes.vlines(found.costs, 0, found.copies)
axes.set_xlabel("cost (nats)")
axes.set_ylabel("copies modulo O(d)")
figure.tight_layout()
