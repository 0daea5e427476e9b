"""
Where does the spurious minimum come from?
==========================================

Three classes in the plane have a spurious local minimum at ``tau = 12``; at ``tau = 6`` a search finds none. Follow the
critical points in between.
"""

# %%
# Branches are followed through folds, and onto the branches that cross them.

from sphereufm import UFMProblem, trace_branches

problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=1)
report = trace_branches(problem, 6, 12, effort="quick", rng=0)
for event in report.events:
    print(f"tau = {event.tau:.4f}: {event.kind} of branch {event.branch}, cost {event.cost:.6f}")

# %%
# The fold near ``tau = 9.07`` bears a local minimum and a saddle.

from sphereufm.plots import branch_figure

figure = branch_figure(report)

# %%
# All of this is numerical, and a lower bound on what there is.
