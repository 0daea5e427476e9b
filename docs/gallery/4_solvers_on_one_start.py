"""
Solvers on one start
====================

Five solvers go down from the same point. What counts is calls of cost, gradient and Hessian, which do not depend on
the machine.
"""

# %%
# A history holds the run iterate by iterate.

from sphereufm import UFMProblem, global_minimum, solve

problem = UFMProblem(class_sizes=(5,) * 6, dim=8, tau=5)
start = problem.spheres.random_point(0)
names = ("trust-region", "adaptive-cubic", "lbfgs", "barzilai-borwein", "steepest-descent")
results = {name: solve(problem, start, solver=name, record=True) for name in names}
for name, result in results.items():
    above = result.cost - global_minimum(problem)
    print(f"{name:<17} {result.stop_reason.name}, {result.calls.total:>4} calls, {abs(above):.0e} nats off")

# %%
# The relative gradient norm against the calls so far:

from matplotlib.figure import Figure

figure = Figure(figsize=(7.2, 4.2), layout="constrained")
axes = figure.add_subplot()
for name, result in results.items():
    history = result.history
    calls = history.cost_calls + history.gradient_calls + history.hessian_calls
    axes.semilogy(calls, history.relative_gradient_norm, label=name)
axes.set_xlabel("calls of cost, gradient and Hessian")
axes.set_ylabel("relative gradient norm")
axes.legend(frameon=False)
axes.grid(alpha=0.25)

# %%
# One run from one start says little. ``sphereufm compare`` runs many, and measures from outside the solvers.
