"""Critical points followed along ``tau``: continuation, folds, bifurcations, the diagram.

In: a problem and starting points, from a landscape or given.
Out: :class:`~sphereufm.branches.report.BranchReport`; numerical.
Calls ``landscape`` and ``spectra``; plots, report and the command line call it.
"""
