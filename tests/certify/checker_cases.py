"""Valid certificates of every type of claim, mutations of them, and a float oracle for what a mutated one says."""

import copy
import json
import math
import random
from fractions import Fraction
from pathlib import Path

import numpy as np

from sphereufm import UFMProblem, collapsed_point, find_critical_points, hessian_spectrum, solve
from sphereufm.certify import ExactInstance, prove_benign, prove_gap, prove_point
from sphereufm.certify.exact import exact_text
from sphereufm.certify.json_format import certificate_to_json
from sphereufm.landscape.points import embed
from sphereufm.problem.theory.known_points import orthogonal_collapsed_point
from sphereufm.problem.theory.theorems import theorem_f
from sphereufm.solvers.solve import solve_batch

DATA = Path(__file__).resolve().parents[1] / "data" / "certificates"


def as_json(certificate):
    return json.loads(certificate_to_json(certificate))


def instance_of(problem):
    return ExactInstance.from_problem(problem)


def critical_points(problem, r, count=12, seed=0):
    inner = problem.in_dimension(r)
    search = find_critical_points(inner, inner.spheres.random_point(seed, (count,)))
    return list(search.X[search.converged])


def valid_certificates():
    """Certificates that hold, of every type of claim: pairs of a name and JSON data."""
    problem = UFMProblem(class_sizes=(2, 1, 1), dim=3, tau="3/2")
    instance = instance_of(problem)
    found = [as_json(prove_point(instance, X)) for r in (2, 3) for X in critical_points(problem, r)]
    signs = np.array([[1.0, -1.0, 1.0, 1.0, 1.0, -1.0, 1.0]])
    found.append(as_json(prove_point(instance, signs)))
    found.append(as_json(prove_gap(instance, problem.spheres.random_point(5))))
    found.append(as_json(prove_benign(instance)))
    flat = np.zeros((3, 7))
    flat[0] = 1.0
    flat[:, 3] = [0.6, 0.8, 0.0]
    flat[:, 4] = [0.6, -0.8, 0.0]
    found.append(as_json(prove_point(instance, flat)))
    plane = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12)
    minimum = collapsed_point(plane)
    by_cost = {round(float(plane.cost(X)), 6): X for X in critical_points(plane, 2, 200)}
    found += [as_json(prove_point(instance_of(plane), X, lower=minimum)) for X in by_cost.values()]
    found.append(json.loads((DATA / "sharpness-weighted.json").read_text()))
    pairs = UFMProblem(class_sizes=(2, 2), dim=2, tau=5)
    lower = collapsed_point(pairs)
    found.append(as_json(prove_point(instance_of(pairs), orthogonal_collapsed_point(pairs), lower=lower)))
    edge = UFMProblem(class_sizes=(2, 1, 1, 1), dim=3, tau=2)
    found.append(as_json(prove_point(instance_of(edge), solve(edge, rng=0).X)))
    # where the prover had to leave something open (degenerate points), it says so
    return [c for c in found if c["claims"] and not c.get("reason")]


# --- mutations


def mutated(certificate, rng: random.Random):
    """A certificate with one thing changed; text, since duplicate keys cannot be said otherwise."""
    data = copy.deepcopy(certificate)
    if rng.random() < 0.3 and _edited_together(data, rng):
        return json.dumps(data)
    places = list(_places(data))
    holder, key = rng.choice(places)
    value = holder[key]
    choice = rng.random()
    if choice < 0.08 and isinstance(holder, dict):
        del holder[key]
    elif choice < 0.12 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(value))
    elif choice < 0.16 and isinstance(holder, list) and len(holder) > 1:
        other = rng.randrange(len(holder))
        holder[key], holder[other] = holder[other], holder[key]
    elif choice < 0.24:
        holder[key] = rng.choice(
            [None, True, 0, -1, 1.5, "", "nan", "inf", "1@99999", [], {}, [[[[]]]], "9" * 70]
        )
    else:
        holder[key] = _changed(value, rng)
    text = json.dumps(data)
    if rng.random() < 0.03:
        text = text.replace('"rank"', '"rank": 1, "rank"', 1)
    return text


def _edited_together(data, rng):
    """Change several fields so that the file still agrees with itself; whether anything was changed."""
    edits = [_other_index, _merged_features, _other_order, _other_dimension, _other_claim, _one_ulp_less]
    edits += [_other_multiplicities, _other_temperatures, _other_offsets]
    return rng.choice(edits)(data, {claim["type"]: claim for claim in data["claims"]}, rng)


def _other_index(data, claims, rng):
    """An index off by one, by ``d - r`` or by a group's copies, and the number that its witness says."""
    if "index" not in claims or data["instance"]["kind"] != "ufm":
        return False
    groups = data["point"]["groups"] or []
    copies = [sum(b - a for a, b in group) - 1 for group in groups] + [1]
    by = rng.choice([1, -1]) * rng.choice([*copies, data["instance"]["dim"] - data["point"]["rank"]])
    claims["index"]["index"] = max(claims["index"]["index"] + by, 0)
    found = [*claims["index"]["witness"], *claims.get("critical", {}).get("witness", [])]
    for witness in rng.sample(found, min(1, len(found))):
        witness[0] = min(max(witness[0] + rng.choice([1, -1]), 0), len(witness[2]))
    return True


def _merged_features(data, claims, rng):
    """Two samples of one class share the feature of one of them."""
    point, instance = data["point"], data["instance"]
    if not point or point["groups"] is not None or "class_sizes" not in instance or "apart" in str(claims):
        return False
    K, sizes = instance["classes"], instance["class_sizes"]
    starts = [sum(sizes[:k]) for k in range(K) if sizes[k] > 1]
    if not starts:
        return False
    i = rng.choice(starts)
    point["groups"] = [[[j, j + 2 if j == i else j + 1]] for j in range(sum(sizes)) if j != i + 1]
    for row in (point["columns"], point["scales"], claims.get("gap", {}).get("shifts")):
        if row:
            del row[K + i + 1]
    for claim in claims.values():
        if isinstance(claim.get("witness"), list):
            claim["witness"] = claim["witness"][:1] * max(len(claim["witness"]), 1)
    return True


def _other_multiplicities(data, claims, rng):
    """A sample more in a class and in its last group, or one less; what follows it moves on."""
    instance, point = data["instance"], data["point"]
    if not point or point["groups"] is None or "class_sizes" not in instance or instance["weights"]:
        return False
    k = rng.choice([k for k, n in enumerate(instance["class_sizes"]) if n])
    end, more = sum(instance["class_sizes"][: k + 1]), rng.choice([1, 1, 2, -1])
    for place in (point, *(claim["lower_point"] for claim in claims.values() if "lower_point" in claim)):
        for pair in (pair for group in place["groups"] or [] for pair in group):
            pair[0] += more * (pair[0] >= end)
            pair[1] += more * (pair[1] >= end)
    instance["class_sizes"][k] += more
    return True


def _other_temperatures(data, claims, rng):
    """A tau for each sample: all as before, or one of them another."""
    instance = data["instance"]
    if instance["kind"] != "ufm" or isinstance(instance["tau"], list):
        return False
    N = len(instance["labels"]) if "labels" in instance else sum(instance["class_sizes"])
    taus = [instance["tau"]] * N
    if rng.random() < 0.7:
        taus[rng.randrange(N)] = str(Fraction(instance["tau"]) * rng.choice([2, Fraction(1001, 1000)]))
    instance["tau"] = taus
    return True


def _other_offsets(data, claims, rng):
    """Offsets of the logits: none, the same for all classes, or of one class alone."""
    instance = data["instance"]
    if instance["kind"] != "ufm" or instance["loss"] != "cross-entropy":
        return False
    same = rng.choice(["0", "1/3"])
    rows = [[rng.choice([same, same, same, "1/7"])] for _ in range(instance["classes"])]
    instance["loss"] = {"name": "logit-offsets", "margin": rng.choice(["0", "0", "1/9"]), "offsets": rows}
    return True


def _other_order(data, claims, rng):
    """Labels permuted, and the columns with them or not."""
    point, instance = data["point"], data["instance"]
    if (
        not point
        or point["groups"] is not None
        or instance["kind"] != "ufm"
        or instance["weights"] is not None
    ):
        return False
    K = instance["classes"]
    sizes = instance.pop("class_sizes", None)
    labels = instance.get("labels") or [k for k, n in enumerate(sizes) for _ in range(n)]
    order = rng.sample(range(len(labels)), len(labels))
    instance["labels"] = [labels[i] for i in order]
    if rng.random() < 0.5:
        point["columns"][K:] = [point["columns"][K + i] for i in order]
        point["scales"] = point["scales"] and point["scales"][:K] + [point["scales"][K + i] for i in order]
    return True


def _other_dimension(data, claims, rng):
    """One dimension more, and the index that would follow if S had as many negative eigenvalues."""
    data["instance"]["dim"] += 1
    if "index" in claims:
        claims["index"]["index"] += rng.choice([0, 1, 2])
        spare = claims["index"]["witness"]
        if data["point"] and data["instance"]["dim"] - 1 == data["point"]["rank"]:
            claims["index"]["witness"] = [*spare, *claims.get("critical", {}).get("witness", [])[:1]]
    return True


def _other_claim(data, claims, rng):
    """A claim of another type, made of what the file holds."""
    if "index" in claims and claims["index"]["witness"]:
        data["claims"].append({"type": "global_minimum", "witness": claims["index"]["witness"][-1:]})
    elif "spurious" in claims or "degenerate" in claims:
        claim = claims.get("spurious") or claims["degenerate"]
        claim["type"] = "degenerate" if claim["type"] == "spurious" else "spurious"
    else:
        return False
    return True


def _one_ulp_less(data, claims, rng):
    """A bound that is smaller by one unit in its last place, or by half."""
    bounds = [
        (claim, key)
        for claim in claims.values()
        for key in ("gap", "radius", "curvature", "margin")
        if key in claim
    ]
    if not bounds:
        return False
    claim, key = rng.choice(bounds)
    factor = rng.choice([1 - Fraction(1, 2**52), Fraction(1, 2)])
    value = exact_value(claim[key])
    claim[key] = exact_text(value / factor if key in ("curvature", "margin") else value * factor)
    return True


def _places(value):
    """Every place of a tree that holds a value."""
    if isinstance(value, dict):
        for key in value:
            yield value, key
            yield from _places(value[key])
    elif isinstance(value, list):
        for key in range(len(value)):
            yield value, key
            yield from _places(value[key])


def _changed(value, rng):
    """A value of the same type, close by or not."""
    if isinstance(value, bool) or value is None:
        return rng.choice([[[[0, 1]]], [1, 1]])
    if isinstance(value, int):
        return value + rng.choice([-1, 1, 2, 1000])
    if isinstance(value, str) and "@" in value:
        return _changed_dyadic(value, rng)
    if isinstance(value, str) and value.replace("/", "").isdigit():
        q = Fraction(value) * rng.choice([2, Fraction(1, 2), Fraction(1001, 1000), -1])
        return str(q)
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, list) and value:
        return value[:-1] if rng.random() < 0.5 else value[::-1]
    return {"type": "critical"}


def _changed_dyadic(value, rng):
    """A dyadic whose last bit, sign, size or exponent differs."""
    x = exact_value(value)
    way = rng.randrange(6)
    if way == 0:
        return exact_text(x + rng.choice([-1, 1]) * abs(x) / 2**52)
    if way == 1:
        return exact_text(-x)
    if way == 2:
        return exact_text(x * Fraction(2) ** rng.choice([-20, -1, 1, 20]))
    if way == 3:
        return exact_text(x + Fraction(rng.choice([1e-3, 1e-6, 1e-9])))
    if way == 4:
        return "0"
    return value.split("@")[0] + rng.choice(["@15999", "@-15999", "@1", "@-40"])


def exact_value(text):
    """A number of the format."""
    mantissa, _, exponent = text.partition("@")
    return Fraction(mantissa) * Fraction(2) ** int(exponent or 0)


def value_of(text):
    """A number as a float (rounded)."""
    try:
        return float(exact_value(text))
    except OverflowError:
        return math.copysign(math.inf, -1.0 if text.startswith("-") else 1.0)


# --- what is true, in floating point


def is_false(data, slack=1e-7):
    """Whether floating point shows that a certificate of the cross-entropy problem says something false."""
    instance = data["instance"]
    weights = None if instance["weights"] is None else [Fraction(w) for w in instance["weights"]]
    which = (
        {"labels": instance["labels"]} if "labels" in instance else {"class_sizes": instance["class_sizes"]}
    )
    loss = instance["loss"]
    if isinstance(loss, dict):
        loss = {**loss, "name": "cross-entropy", "offsets": [row[0] for row in loss["offsets"]]}
    problem = UFMProblem(
        dim=instance["dim"],
        tau=instance["tau"],
        classes=instance["classes"],
        weights=weights,
        loss=loss,
        **which,
    )
    claims = {claim["type"]: claim for claim in data["claims"]}
    if "benign" in claims and not instance["dim"] >= max(instance["classes"], 3):
        return True
    if data["point"] is None:
        return False
    X = _columns(data["point"], problem)
    inner = problem.in_dimension(X.shape[0])
    if "gap" in claims and value_of(claims["gap"]["gap"]) < float(inner.cost(X)) - _lowest(problem) - slack:
        return True
    if "degenerate" in claims:
        flat = float(np.abs(inner.gradient(X)).max()) < slack and problem.dim == 2
        below = float(inner.cost(X)) - _lowest(problem)
        return not flat or below < value_of(claims["degenerate"]["margin"]) - slack
    if "collapsed" in claims:
        radius = value_of(claims["collapsed"]["radius"]) + slack
        return bool(np.abs(X[:, : problem.classes] - X[:, :1]).max() > 2 * radius)
    if "well_classified" in claims and not theorem_f(problem, X).applies:
        return True
    if not set(claims) & {"critical", "rank_one"}:
        return False
    exact, distance = _exact(inner, X)
    radius = value_of(claims.get("critical", {"radius": "0"})["radius"])
    if distance > radius + slack:
        return True
    spectrum = hessian_spectrum(problem, embed(exact, problem.dim), X.shape[0])
    least = spectrum.min_eigenvalue
    return any(
        (
            "index" in claims and claims["index"]["index"] != spectrum.morse_index,
            "global_minimum" in claims and float(inner.cost(exact)) > _lowest(problem) + slack,
            "spurious" in claims and spectrum.morse_index != 0,
            "spurious" in claims
            and float(inner.cost(exact)) - _lowest(problem) < value_of(claims["spurious"]["margin"]) - slack,
            "strict_saddle" in claims
            and least is not None
            and least > value_of(claims["strict_saddle"]["curvature"]) + slack,
        )
    )


def _columns(point, problem):
    """Stored columns in floats, groups spread out, unit length."""
    stored = np.array([[value_of(x) for x in column] for column in point["columns"]]).T
    if point["groups"] is not None:
        H = np.zeros((stored.shape[0], problem.samples))
        for g, group in enumerate(point["groups"]):
            for a, b in group:
                H[:, a:b] = stored[:, [problem.classes + g]]
        stored = np.concatenate([stored[:, : problem.classes], H], axis=1)
    return stored / np.linalg.norm(stored, axis=0)


def _exact(problem, X):
    """Nearest critical point that Newton's method finds, and its distance modulo rotations."""
    if X.shape[0] == 1:
        return X, 0.0
    search = find_critical_points(problem, X[None], tolerance=1e-11)
    Y = search.X[0] if search.converged[0] else np.full_like(X, np.inf)
    if not search.converged[0]:
        return X, math.inf
    left, _, right = np.linalg.svd(X @ Y.T)
    return Y, float(np.abs(left @ right @ Y - X).max())


def _lowest(problem):
    """The lowest cost that a few searches find."""
    return min(result.cost for result in solve_batch(problem, 8, rng=0)) if problem.dim > 1 else 0.0
