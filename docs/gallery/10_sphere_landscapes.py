"""
Fourteen landscapes on spheres, each from a few lines
=====================================================

One expression is searched and proved. The instances are small on purpose: every picture takes a second, and each row
that is drawn filled has a certificate that the independent checker accepted.
"""

# %%
# Costs of one unit vector: dictionaries, tensors, blind deconvolution, a hyperplane among outliers.

from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np

from sphereufm import SymmetryGroup, prove_landscape, verify_landscape
from sphereufm.certify.expressions import Cost, exp, log, sqrt, thomson
from sphereufm.problem.expressions.expression_problem import ExpressionProblem

rng = np.random.default_rng(0)


def entries(dim, columns=1):
    cost = Cost(dim=dim, columns=columns)
    return cost, [cost.x(i, 0) for i in range(dim)]


def signed_permutations(dim):
    swaps = [np.eye(dim)[[*range(i), i + 1, i, *range(i + 2, dim)]] for i in range(dim - 1)]
    return SymmetryGroup.generated([np.diag([-1.0] + [1.0] * (dim - 1)), *swaps], dim=dim, columns=1)


problems = {}

# complete dictionary learning, a known dictionary: every minimiser is an atom (Sun, Qu, Wright 2017; Zhai et al. 2020)
cost, x = entries(4)
l4 = cost.instance(-sum(v**4 for v in x))
problems["dictionary, l4"] = ExpressionProblem(instance=l4, symmetry=signed_permutations(4))
cost, x = entries(3)
cosh = cost.instance(sum(log(exp(3 * v) + exp(-3 * v)) for v in x))
problems["dictionary, log-cosh"] = ExpressionProblem(instance=cosh, symmetry=signed_permutations(3))

# an orthogonal tensor: only its components minimise (Ge, Huang, Jin, Yuan 2015)
cost, x = entries(3)
problems["orthogonal tensor"] = cost.instance(-sum((i + 2) * v**4 for i, v in enumerate(x)))

# a random cubic form, the p-spin of spin glasses: up to 2 (2^d - 1) critical points (Cartwright, Sturmfels 2013)
cost, x = entries(4)
triples = [(i, j, k) for i in range(4) for j in range(i + 1) for k in range(j + 1)]
problems["cubic spins"] = cost.instance(
    sum(int(100 * rng.standard_normal()) * (x[i] * x[j] * x[k]) for i, j, k in triples)
)

# multichannel sparse blind deconvolution: inverses of the filter, up to a shift and a sign, with l4 (Li, Bresler 2018)
# and with a smoothed l1 (Qu, Li, Zhu 2019)
channels = rng.integers(-2, 3, (4, 3)).tolist()
for name, sparse in (("l4", lambda v: -(v**4)), ("smoothed l1", lambda v: sqrt(v**2 + Fraction(1, 10)))):
    cost, x = entries(3)
    shifts = [[x[(i + s) % 3] for i in range(3)] for s in range(3)]
    problems[f"deconvolution, {name}"] = cost.instance(
        sum(
            sparse(sum(y * v for y, v in zip(channel, shift, strict=True) if y))
            for channel in channels
            for shift in shifts
        )
    )

# dual principal component pursuit, smoothed: the normal of a plane among outliers (Tsakiris, Vidal 2018)
cost, x = entries(3)
points = [*([*p, 0] for p in rng.integers(-3, 4, (6, 2)).tolist() if any(p)), [1, 2, 2], [2, -1, 1]]
problems["dual pursuit"] = cost.instance(
    sum(sqrt(sum(a * v for a, v in zip(p, x, strict=True) if a) ** 2 + Fraction(1, 10)) for p in points)
)

# %%
# Costs of many unit vectors: rings of oscillators, charges, contrastive learning, cuts of graphs.

# five oscillators on a ring: twisted states are minimisers, too (Wiley, Strogatz, Girvan 2006)
cost = Cost(dim=2, columns=5)
ring = cost.instance(-sum(cost.gram(i, (i + 1) % 5) for i in range(5)))
turns = SymmetryGroup.generated([[1, 2, 3, 4, 0], [4, 3, 2, 1, 0]], dim=2, columns=5, orthogonal=True)
problems["Kuramoto ring"] = ExpressionProblem(instance=ring, symmetry=turns)

# Thomson's problem
problems["five charges"] = ExpressionProblem(instance=thomson(5), symmetry=SymmetryGroup.full(5))

# supervised contrastive loss, two classes of two: each class collapses (Graf, Hofer, Niethammer, Kwitt 2021)
cost = Cost(dim=3, columns=4)
pairs = {0: 1, 1: 0, 2: 3, 3: 2}
problems["contrastive"] = cost.instance(
    sum(
        log(sum(exp(2 * cost.gram(i, a)) for a in range(4) if a != i)) - 2 * cost.gram(i, p)
        for i, p in pairs.items()
    )
)

# the cut of a pentagon at rank three, r (r + 1) / 2 > 5, where almost no graph has a bad minimiser, and below it
# (Boumal, Voroninski, Bandeira 2016)
for rank in (3, 2):
    cost = Cost(dim=rank, columns=5)
    cut = cost.instance(sum(cost.gram(i, (i + 1) % 5) for i in range(5)))
    turned = SymmetryGroup.generated([[1, 2, 3, 4, 0], [4, 3, 2, 1, 0]], dim=rank, columns=5, orthogonal=True)
    problems[f"pentagon's cut, rank {rank}"] = ExpressionProblem(instance=cut, symmetry=turned)

# phase synchronisation: four phases, one of them the reference, from noisy differences; with little noise the estimate
# is a global minimiser and the landscape benign (Bandeira, Boumal, Singer 2017; Ling, Xu, Bandeira 2019)
cost = Cost(dim=2, columns=3)
cosines, sines = Fraction(99, 101), Fraction(20, 101)
z = [(1, 0), *((cost.x(0, i), cost.x(1, i)) for i in range(3))]
phases = cost.instance(
    -sum(
        cosines * (z[i][0] * z[j][0] + z[i][1] * z[j][1])
        + (-1) ** (i + j) * sines * (z[i][0] * z[j][1] - z[i][1] * z[j][0])
        for i in range(1, 4)
        for j in range(i)
    )
)
problems["phase synchronisation"] = phases

# a spherical code, smoothed: five points whose greatest inner product is least (Jiang et al. 2024: softmax codes)
cost = Cost(dim=3, columns=5)
code = cost.instance(log(sum(exp(6 * cost.gram(i, j)) for i in range(5) for j in range(i))))
problems["spherical code"] = ExpressionProblem(instance=code, symmetry=SymmetryGroup.full(5))

# %%
# Cost against Morse index; filled: PROVED.

reports = {}
figure, axes = plt.subplots(3, 5, figsize=(13, 7), constrained_layout=True)
axes[-1, -1].axis("off")
for axis, (name, problem) in zip(axes.flat, problems.items(), strict=False):
    report = reports[name] = prove_landscape(verify_landscape(problem))
    for entry in report.critical:
        proved = entry.status.name == "PROVED"
        index = np.max(entry.morse_index)
        axis.plot(index, entry.cost, "o", color="C0", mfc="C0" if proved else "none", ms=5)
    done = sum(entry.status.name == "PROVED" for entry in report.critical)
    axis.set_title(f"{name}\n{done} of {len(report.critical)} proved", fontsize=9)
    axis.xaxis.get_major_locator().set_params(integer=True)
for axis in axes[-1]:
    axis.set_xlabel("Morse index")
for axis in axes[:, 0]:
    axis.set_ylabel("cost")

# %%
# The costs of one vector in R^3 as maps of the sphere: longitude and latitude, dark where the cost is low. Dots are
# minimisers, crosses saddles, triangles maxima.

longitude, latitude = np.meshgrid(np.linspace(-np.pi, np.pi, 181), np.linspace(-np.pi / 2, np.pi / 2, 91))
X = np.stack(
    [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
).reshape(3, -1, 1)
maps = {name: report for name, report in reports.items() if report.problem.spheres.shape == (3, 1)}
figure = plt.figure(figsize=(11, 2.2 * len(maps)), constrained_layout=True)
for place, (name, report) in enumerate(maps.items(), start=1):
    axis = figure.add_subplot(-(-len(maps) // 2), 2, place, projection="mollweide")
    values = report.problem.at(np.swapaxes(X, 0, 1)).cost.reshape(longitude.shape)
    axis.contourf(longitude, latitude, values, levels=24, cmap="viridis")
    for entry in report.critical:
        x, y, height = getattr(entry, "X", np.full((3, 1), np.nan))[:, 0]
        mark = {0: "o", 1: "x"}.get(int(np.max(entry.morse_index)), "^")
        axis.plot(
            np.arctan2(y, x),
            np.arcsin(np.clip(height, -1, 1)),
            mark,
            color="w",
            mec="k" if mark != "x" else "w",
        )
    axis.set_title(name, fontsize=9)
    axis.set_xticklabels([])
    axis.set_yticklabels([])

# %%
# Minimisers of many vectors in R^3, as points of the sphere; lines join the nearest.

solids = ("five charges", "contrastive", "spherical code")
figure = plt.figure(figsize=(9, 3.2), constrained_layout=True)
for place, name in enumerate(solids, start=1):
    entry = reports[name].critical[0]
    X = np.zeros((3, entry.X.shape[1]))
    X[: len(entry.X)] = entry.X
    axis = figure.add_subplot(1, len(solids), place, projection="3d")
    axis.scatter(*X, s=40, depthshade=False)
    G = X.T @ X - 2 * np.eye(X.shape[1])
    for i, j in np.argwhere(np.triu(G.max() - 1e-6 < G, 1)):
        axis.plot(*X[:, [i, j]], color="0.6", lw=1)
    axis.set_box_aspect((1, 1, 1))
    axis.set_axis_off()
    axis.set_title(f"{name}: {entry.kind.name.lower().replace('_', ' ')}, {entry.status.name}", fontsize=9)
