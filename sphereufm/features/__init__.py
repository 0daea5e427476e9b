"""Saved features of a trained network: torch-free readers, streaming statistics, collapse metrics.

In: files, or arrays.  Out: feature sets read in row blocks, and their metrics.
Calls the ground only; ``placement``, plots, reports and the command line call it.
"""

from sphereufm.features.feature_set import FeatureSet, Reading, feature_set_from_arrays
from sphereufm.features.labels import LabelRules
from sphereufm.features.loading import load_features
from sphereufm.features.metrics import CollapseMetrics, collapse_metrics
from sphereufm.features.readers import open_array, open_arrays
from sphereufm.features.readers.source import ArraySource, finite_blocks

__all__ = [
    "ArraySource",
    "CollapseMetrics",
    "FeatureSet",
    "LabelRules",
    "Reading",
    "collapse_metrics",
    "feature_set_from_arrays",
    "finite_blocks",
    "load_features",
    "open_array",
    "open_arrays",
]
