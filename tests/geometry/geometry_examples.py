"""Groups and point configurations that the geometry tests share."""

from itertools import product

import numpy as np

from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup
from sphereufm.problem.theory.theorems import simplex_etf
from sphereufm.problem.ufm import UFMProblem

# every kind of permutation group that occurs, small enough to be enumerated
SMALL_GROUPS = {
    "trivial": SymmetryGroup.rotations(4),
    "none": SymmetryGroup.none(3),
    "all": SymmetryGroup.full(5),
    "all in place": SymmetryGroup(False, ColumnPermutations.all_columns(4)),
    "proper": SymmetryGroup.rotations(4, reflections=False),
    "all proper": SymmetryGroup.full(4, reflections=False),
    "balanced": UFMProblem(class_sizes=(2, 2, 2), dim=3, tau=1).symmetry,
    "one a class": UFMProblem(class_sizes=(1, 1, 1, 1), dim=3, tau=1).symmetry,
    "unequal sizes": UFMProblem(class_sizes=(3, 2, 2), dim=3, tau=1).symmetry,
    "empty classes": UFMProblem(class_sizes=(2, 0, 0, 1), dim=3, tau=1).symmetry,
    "weights": UFMProblem(class_sizes=(3, 3), dim=3, tau=1, weights=[1, 1, 2, 2, 1, 1]).symmetry,
    "unequal weights": UFMProblem(class_sizes=(2, 2, 2), dim=3, tau=1, weights=[1, 2, 2, 1, 3, 3]).symmetry,
}


def collapsed(classes, per_class, d):
    """The simplex equiangular tight frame with every sample at its classifier, and its group."""
    problem = UFMProblem(class_sizes=(per_class,) * classes, dim=d, tau=1)
    W = simplex_etf(classes, d)
    return np.hstack([W, W[:, problem.labels]]), problem.symmetry


def eigenspace_points(adjacency, which):
    """Unit vectors whose inner products are those of an eigenspace's projection: as symmetric as the graph."""
    values, vectors = np.linalg.eigh(adjacency)
    level = np.unique(values.round(8))[which]
    X = vectors[:, np.abs(values - level) < 1e-6].T
    return X / np.linalg.norm(X, axis=0)


def rook_graph():
    """4 x 4 rook's graph: strongly regular (16, 6, 2, 2), 1152 automorphisms."""
    cells = list(product(range(4), repeat=2))
    return np.array([[float(a != b and (a[0] == b[0] or a[1] == b[1])) for b in cells] for a in cells])


def shrikhande_graph():
    """The other strongly regular graph (16, 6, 2, 2), with 192 automorphisms."""
    cells = list(product(range(4), repeat=2))
    steps = {(0, 1), (0, 3), (1, 0), (3, 0), (1, 1), (3, 3)}
    return np.array([[float(((a[0] - b[0]) % 4, (a[1] - b[1]) % 4) in steps) for b in cells] for a in cells])


def latin_square_graph(square):
    """Cells of a Latin square, joined where they share row, column or symbol; strongly regular."""
    n = len(square)
    cells = [(i, j, square[i][j]) for i, j in product(range(n), repeat=2)]
    return np.array(
        [[float(a != b and any(x == y for x, y in zip(a, b, strict=True))) for b in cells] for a in cells]
    )


def cyclic_latin_square(n):
    return [[(i + j) % n for j in range(n)] for i in range(n)]


def switched_latin_square(n):
    """The cyclic square of even order with one 2 x 2 subsquare turned: not isotopic to it for n = 6."""
    square, h = cyclic_latin_square(n), n // 2
    square[0][0], square[0][h], square[h][0], square[h][h] = h, 0, 0, h
    return square


def polytopes():
    """Name, vertices on the sphere, and order of the full symmetry group (Coxeter, *Regular Polytopes*)."""
    signs = np.array(list(product((-1.0, 1.0), repeat=3))).T
    golden = (1 + np.sqrt(5)) / 2
    icosahedron = np.array(
        [p for a in (-1, 1) for b in (-golden, golden) for p in ((0, a, b), (a, b, 0), (b, 0, a))]
    ).T
    octahedron = np.hstack([np.eye(3), -np.eye(3)])
    return {
        "octahedron": (octahedron, 48),
        "cube": (signs, 48),
        "icosahedron": (icosahedron, 120),
        "24-cell": (_roots(4), 1152),
        "E8 roots": (np.hstack([_roots(8), _half_spins(8)]), 696_729_600),
    }


def _roots(d):
    """All vectors with two entries +-1, columns."""
    e = np.eye(d)
    pairs = [(i, j) for i in range(d) for j in range(i)]
    return np.array([a * e[i] + b * e[j] for i, j in pairs for a in (-1, 1) for b in (-1, 1)]).T


def _half_spins(d):
    """All vectors of entries +-1/2 with an even number of minus signs, columns."""
    return np.array([s for s in product((-0.5, 0.5), repeat=d) if np.prod(np.sign(s)) > 0]).T
