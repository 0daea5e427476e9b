"""Connections: gradient flows from saddles, and the tree of basins.

In: a landscape report.  Out: the same with :class:`~sphereufm.landscape.report.connections.Connections`; numerical.
Calls ``landscape`` and ``spectra``; the command line calls it.
"""
