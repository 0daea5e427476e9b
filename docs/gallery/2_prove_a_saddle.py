"""
A strict saddle, proved and checked
===================================

A small gradient and a negative eigenvalue in floating point suggest a saddle. A certificate shows that one is there.
"""

# %%
# A regularised Newton method goes from each of some random starts to a critical point, whatever its kind. Take the
# lowest one that is no minimum.

from sphereufm import UFMProblem, find_critical_points, hessian_spectrum

problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=1)
search = find_critical_points(problem, problem.spheres.random_point(0, (20,)))
spectra = [hessian_spectrum(problem, X) for X in search.X]
saddles = [X for X, spectrum in zip(search.X, spectra, strict=True) if spectrum.morse_index > 0]
saddle = min(saddles, key=problem.cost)
print(f"{len(saddles)} of 20 starts end at saddles; cost {problem.cost(saddle):.6f}")
hessian_spectrum(problem, saddle)

# %%
# The prover takes the floating-point point as a candidate. It shows in ball arithmetic that an exact critical point
# lies near, counts the negative eigenvalues there, and writes its argument down.

from sphereufm.certify import ExactInstance, prove_point
from sphereufm.certify.json_format import certificate_to_json

certificate = prove_point(ExactInstance.from_problem(problem), saddle)
text = certificate_to_json(certificate)
print(f"{len(text)} bytes, beginning with {text[:70]}")

# %%
# The checker shares no code with the prover: it evaluates cost, gradient and Hessian with formulas of its own.

from sphereufm.certify.checker import check_bytes

result = check_bytes(text.encode())
print(f"{result.status}: {result.row}")
for claim in result.claims:
    print(f"  {claim.status} {claim.type}: {claim.text}")

# %%
# A false claim is not accepted. Say that the index were larger by one:

import json

data = json.loads(text)
for claim in data["claims"]:
    if claim["type"] == "index":
        claim["index"] += 1
print(check_bytes(json.dumps(data).encode()).status)
