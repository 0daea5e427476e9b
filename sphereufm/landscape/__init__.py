"""Critical points: starts -> search -> orbits -> report -> proofs; ``verify`` is the main job end to end.

In: a problem.  Out: :class:`~sphereufm.landscape.report.landscape_report.LandscapeReport`, numerical until
``proofs`` has proved its rows.
Calls ``problem``, ``solvers``, ``spectra`` and ``certify``; branches, descents, sweeps and the faces call it.
"""
