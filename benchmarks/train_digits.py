r"""Train a small convolutional network on scikit-learn's handwritten digits and save what ``sphereufm features`` reads.

Two variants of one network.  ``normalised``: features and classifier rows have unit length, no bias, logits are ``tau``
times their inner products (the classifier is put back on the spheres after each step).  ``plain``: nothing is
normalised, features are those of a ReLU (unless ``--linear``), the last layer has a bias, and all parameters carry
weight decay.  Training uses the first 140 images of
each class, so it is balanced; the other images are the test set.

The fixtures in ``tests/data`` were made by::

    python benchmarks/train_digits.py --out tests/data

Needs the extra ``bench`` (CPU torch, scikit-learn); a run takes seconds.  With ``--every-epoch`` the features of each
epoch go to ``VARIANT/epoch_001.npz`` and so on.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

PER_CLASS = 140
CLASSES = 10


class DigitsNetwork(nn.Module):
    """Three convolutions, a linear map to ``dim`` features (with a ReLU if asked for), a linear classifier."""

    def __init__(self, dim: int, normalised: bool, tau: float, relu: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1, stride=2),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * 4, dim),
        )
        self.head = nn.Linear(dim, CLASSES, bias=not normalised)
        self.normalised = normalised
        self.relu = relu
        self.tau = tau if normalised else 1.0
        self.constrain()

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Penultimate features, ``(n, dim)``."""
        out = self.body(images)
        out = functional.relu(out) if self.relu else out
        return functional.normalize(out, dim=1) if self.normalised else out

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits, ``(n, 10)``."""
        return self.tau * self.head(self.features(images))

    @torch.no_grad()
    def constrain(self) -> None:
        """Put the classifier's rows back on the unit sphere."""
        if self.normalised:
            self.head.weight.copy_(functional.normalize(self.head.weight, dim=1))


def digits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Training images and labels (140 of each class), test images and labels."""
    data = load_digits()
    images = torch.tensor(data.images[:, None] / 16.0, dtype=torch.float32)
    labels = torch.tensor(data.target, dtype=torch.int64)
    rank = torch.zeros_like(labels)
    for k in range(CLASSES):
        own = torch.nonzero(labels == k)[:, 0]
        rank[own] = torch.arange(len(own))
    train = rank < PER_CLASS
    return images[train], labels[train], images[~train], labels[~train]


def train(variant: str, options: argparse.Namespace) -> float:
    """Train one variant, save its features, return its test accuracy."""
    torch.manual_seed(options.seed)
    normalised = variant == "normalised"
    relu = not normalised and not options.linear
    network = DigitsNetwork(options.dim, normalised, options.tau, relu)
    decay = 0.0 if normalised else options.decay
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, max(1, options.epochs // 2), 0.1)
    images, labels, test_images, test_labels = digits()
    order = torch.Generator().manual_seed(options.seed)
    for epoch in range(1, options.epochs + 1):
        for batch in torch.randperm(len(labels), generator=order).split(64):
            optimiser.zero_grad()
            functional.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimiser.step()
            network.constrain()
        schedule.step()
        if options.every_epoch:
            save(network, images, labels, options.out / variant / f"epoch_{epoch:03d}.npz")
    save(network, images, labels, options.out / f"digits_{variant}.npz")
    with torch.no_grad():
        loss = functional.cross_entropy(network(images), labels).item()
        accuracy = (network(test_images).argmax(1) == test_labels).double().mean().item()
    print(
        f"{variant}: training loss {loss:.6f}, test accuracy {accuracy:.4f} on {len(test_labels)} images",
        file=sys.stderr,
    )
    return accuracy


@torch.no_grad()
def save(network: DigitsNetwork, images: torch.Tensor, labels: torch.Tensor, path: Path) -> None:
    """Write features, labels and classifier as plain arrays, to a temporary name first."""
    arrays = {
        "features": network.features(images).numpy(),
        "labels": labels.numpy().astype(np.uint8),
        "classifier": network.head.weight.numpy(),
    }
    if network.head.bias is not None:
        arrays["bias"] = network.head.bias.numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.tmp")
    with open(aside, "wb") as handle:
        np.savez(handle, **arrays)
    os.replace(aside, path)


def main() -> None:
    """Read the options and train both variants."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of the results")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--dim", type=int, default=32, help="feature dimension")
    parser.add_argument(
        "--tau", type=float, default=5.0, help="inverse temperature of the normalised variant"
    )
    parser.add_argument("--decay", type=float, default=1e-3, help="weight decay of the plain variant")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--variant", choices=("normalised", "plain"), help="one variant only")
    parser.add_argument("--linear", action="store_true", help="no ReLU on the features of the plain variant")
    parser.add_argument("--every-epoch", action="store_true", help="save the features of each epoch too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for variant in (options.variant,) if options.variant else ("normalised", "plain"):
        train(variant, options)


if __name__ == "__main__":
    main()
