"""Neural collapse in saved features: streamed statistics, and the measures that rest on them."""

from sphereufm.features.metrics.collapse import CollapseMetrics, collapse_metrics

__all__ = ["CollapseMetrics", "collapse_metrics"]
