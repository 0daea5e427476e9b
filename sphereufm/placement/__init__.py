"""Where a trained network's last layer stands on the landscape: the one place where features and problems meet.

In: a feature set with a classifier.  Out: :class:`LandscapePosition`; numerical.
Calls ``features``, ``problem`` and ``spectra``; plots, reports and the command line call it.
"""

from sphereufm.placement.landscape_position import LandscapePosition
from sphereufm.placement.measurement import position

__all__ = ["LandscapePosition", "position"]
