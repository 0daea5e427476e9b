"""Solvers compared honestly: fixed problems, equal starts, one stop test, calls counted, failures shown.

In: names of solvers, peers and suites.  Out: :class:`Comparison`, and profiles of it.
Calls ``solvers`` and ``problem``; plots, reports and the command line call it.
"""

from __future__ import annotations

from sphereufm.comparison.compare import Comparison as Comparison
from sphereufm.comparison.compare import compare_solvers as compare_solvers
from sphereufm.comparison.measure import Measurement as Measurement
from sphereufm.comparison.measure import Rules as Rules
from sphereufm.comparison.peers import Gauge as Gauge
from sphereufm.comparison.peers import Peer as Peer
from sphereufm.comparison.peers import Stopped as Stopped
from sphereufm.comparison.peers import load_peers as load_peers
from sphereufm.comparison.profiles import data_profile as data_profile
from sphereufm.comparison.profiles import performance_profile as performance_profile
from sphereufm.comparison.profiles import speed_ratios as speed_ratios
from sphereufm.comparison.suites import SUITES as SUITES
from sphereufm.comparison.suites import Instance as Instance
