"""Neural collapse in saved features: streamed statistics, and the measures that rest on them.

In: a :class:`~sphereufm.features.feature_set.FeatureSet`.  Out: :class:`CollapseMetrics`.
Calls ``features.feature_set`` and below; ``placement`` and the command line call it.
"""

from sphereufm.features.metrics.collapse import collapse_metrics
from sphereufm.features.metrics.result import CollapseMetrics
from sphereufm.features.metrics.streaming import Streaming

__all__ = ["CollapseMetrics", "Streaming", "collapse_metrics"]
