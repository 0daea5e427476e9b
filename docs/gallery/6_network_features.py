"""
The features of a network
=========================

A small network was trained on 8 x 8 images of handwritten digits, with features and classifier rows on the unit sphere
and logits multiplied by 5. How collapsed are its features?
"""

# %%
# The file is in the repository, in ``tests/data``. It holds features, labels and classifier as a framework saves them,
# samples as rows. Nothing is unpickled.

from pathlib import Path

from sphereufm import collapse_metrics, load_features

folder = Path.cwd().parents[1] / "tests" / "data"
features = load_features(folder / "digits_normalised.npz")
print(*features.chosen, sep="\n")

# %%
# NC1 is the spread within the classes, NC2 the distance of the class means from a simplex frame, NC3 the distance of
# classifier from class means, NC4 the share of samples on which the nearest mean and the classifier agree.

metrics = collapse_metrics(features)
metrics

# %%
# The same measures on a network whose features were left as they are:

plain = collapse_metrics(load_features(folder / "digits_plain.npz"))
for name in ("nc1", "nc2", "nc3", "nc4"):
    print(f"{name}: normalised {getattr(metrics, name):.4f}, plain {getattr(plain, name):.4f}")

# %%
# Cosines of the class means, and the spectra within and between classes:

from sphereufm.plots.features import features_figure

figure = features_figure(metrics)
