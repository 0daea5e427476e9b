"""Where a trained network's last layer stands on the landscape: the one place where features and problems meet."""

from sphereufm.placement.landscape_position import LandscapePosition
from sphereufm.placement.measurement import position

__all__ = ["LandscapePosition", "position"]
