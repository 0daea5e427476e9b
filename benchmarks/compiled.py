"""What a compiled kernel would gain: the Newton search of the cross-entropy problem by numba against ours.

    OPENBLAS_NUM_THREADS=1 python benchmarks/compiled.py        (needs numba)

The same method from the same random starts: ours in batches of NumPy calls, numba's one start after another in one
compiled loop with the whole Hessian.  Processor seconds, medians of five runs in turns; also what it takes to load
numba and to compile, and the share of a whole search that Newton's method takes, which bounds what could be gained.
"""

import time
from statistics import median

import numpy as np

from sphereufm import UFMProblem, verify_landscape
from sphereufm.landscape.search import stratum
from sphereufm.landscape.search.squared_gradient import find_critical_points

CASES = ((3, 1, 4), (4, 1, 5), (6, 1, 4), (4, 2, 5), (10, 1, 11))
STARTS, RUNS, TOLERANCE, ITERATIONS = 120, 5, 1e-12, 60


def derivatives(X, K, label, tau):
    """Scaled gradient ``(M d,)``, scaled Hessian on the tangent space, column scales, relative gradient norm."""
    d, M = X.shape
    N = M - K
    W, H = X[:, :K], X[:, K:]
    P = np.empty((K, N))
    G = np.empty((K, N))
    for i in range(N):
        z = tau * (np.ascontiguousarray(W.T) @ np.ascontiguousarray(H[:, i]))
        p = np.exp(z - z.max())
        P[:, i] = p / p.sum()
        G[:, i] = tau * P[:, i] / N
        y = label[i]
        G[y, i] = 0.0
        G[y, i] = -G[:, i].sum()
    E = np.empty((d, M))
    E[:, :K] = np.ascontiguousarray(H) @ np.ascontiguousarray(G.T)
    E[:, K:] = np.ascontiguousarray(W) @ G
    mult = (X * E).sum(axis=0)
    scale = np.empty(M)
    for k in range(K):
        scale[k] = np.abs(G[k]).sum()
    for i in range(N):
        scale[K + i] = np.abs(G[:, i]).sum()
    A = np.zeros((M * d, M * d))
    for i in range(N):
        b = (K + i) * d
        C = np.empty((K, K))
        V = np.empty((K, d))  # C W^T
        for k in range(K):
            for j in range(K):
                C[k, j] = ((P[k, i] if k == j else 0.0) - P[k, i] * P[j, i]) * (tau * tau / N)
            for v in range(d):
                V[k, v] = 0.0
                for j in range(K):
                    V[k, v] += C[k, j] * W[v, j]
        for u in range(d):
            for v in range(d):
                product = H[u, i] * H[v, i]
                for k in range(K):
                    A[b + u, b + v] += W[u, k] * V[k, v]
                    cross = H[u, i] * V[k, v] + (G[k, i] if u == v else 0.0)
                    A[k * d + u, b + v] += cross
                    A[b + v, k * d + u] += cross
                    for j in range(K):
                        A[k * d + u, j * d + v] += C[k, j] * product
    g = np.empty(M * d)
    norm = 0.0
    for j in range(M):
        rg = E[:, j] - mult[j] * X[:, j]
        norm = max(norm, np.sqrt((rg * rg).sum()) / scale[j])
        g[j * d : j * d + d] = rg / np.sqrt(scale[j])
        for u in range(d):
            A[j * d + u, j * d + u] -= mult[j]
    for j in range(M):  # projection and scaling of rows and columns
        root = 1.0 / np.sqrt(scale[j])
        for q in range(M * d):
            row = 0.0
            for u in range(d):
                row += X[u, j] * A[j * d + u, q]
            for u in range(d):
                A[j * d + u, q] = (A[j * d + u, q] - X[u, j] * row) * root
        for q in range(M * d):
            column = 0.0
            for u in range(d):
                column += X[u, j] * A[q, j * d + u]
            for u in range(d):
                A[q, j * d + u] = (A[q, j * d + u] - X[u, j] * column) * root
    return g, A, scale, norm


def search(starts, K, label, tau, tolerance, iterations):
    """How many starts end at a critical point."""
    reached = 0
    for b in range(len(starts)):
        X, sigma = starts[b].copy(), 0.3
        d, M = X.shape
        g, A, scale, norm = derivatives(X, K, label, tau)
        for _ in range(iterations):
            if norm <= tolerance:
                break
            shifted = A.astype(np.complex128)
            for q in range(M * d):
                shifted[q, q] += 1j * sigma
            step = -np.linalg.solve(shifted, g.astype(np.complex128)).real
            move = np.empty((d, M))
            for j in range(M):
                move[:, j] = step[j * d : j * d + d] / np.sqrt(scale[j])
            longest = np.sqrt((move * move).sum(axis=0).max())
            Y = X + move * min(1.0, 0.7 / max(longest, 1e-300))
            Y /= np.sqrt((Y * Y).sum(axis=0))
            g2, A2, scale2, norm2 = derivatives(Y, K, label, tau)
            value, value2 = (g * g).sum(), (g2 * g2).sum()
            if value2 < value or norm2 < 0.5 * norm:
                sigma = (0.1 if value2 < 0.25 * value else 0.5) * sigma
                if norm2 < 1e-3:
                    sigma = min(sigma, norm2)
                X, g, A, scale, norm = Y, g2, A2, scale2, norm2
            else:
                sigma *= 4.0
            sigma = max(sigma, 1e-6)
        reached += norm <= tolerance
    return reached


def timed(call, *words, **more):
    """Processor seconds and result."""
    begun = time.process_time()
    result = call(*words, **more)
    return time.process_time() - begun, result


def newton_share(problem):
    """Share of a whole standard search that Newton's method takes."""
    inside = [0.0]

    def watched(*words, **more):
        seconds, found = timed(find_critical_points, *words, **more)
        inside[0] += seconds
        return found

    stratum.find_critical_points = watched
    whole, _ = timed(verify_landscape, problem, rng=0)
    stratum.find_critical_points = find_critical_points
    return whole, inside[0] / whole


def main():
    loading, numba = timed(__import__, "numba")
    globals()["derivatives"] = numba.njit(derivatives)
    compiled = numba.njit(search)
    first = UFMProblem(class_sizes=(1, 1), dim=2, tau=1.0)
    words = (2, first.labels, 1.0, TOLERANCE, ITERATIONS)
    compiling, _ = timed(compiled, first.spheres.random_point(0, (1,)), *words)
    print(f"loading numba {loading:.2f} s, compiling {compiling:.1f} s")
    print(
        "| K, n, d | ours, ms a start | numba | ratio | reached | whole search, s | Newton's share | gain at most |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for K, n, d in CASES:
        problem = UFMProblem(class_sizes=(n,) * K, dim=d, tau=1.0)
        starts = problem.spheres.random_point(0, (STARTS,))
        words = (K, problem.labels, 1.0, TOLERANCE, ITERATIONS)
        ours, theirs = [], []
        for _ in range(RUNS):
            ours.append(timed(find_critical_points, problem, starts, tolerance=TOLERANCE))
            theirs.append(timed(compiled, starts, *words))
        a, b = (1e3 * median(seconds for seconds, _ in side) / STARTS for side in (ours, theirs))
        whole, share = newton_share(problem) if K < 10 else (float("nan"), float("nan"))
        gain = 1.0 / (1.0 - share * (1.0 - b / a))
        print(
            f"| {K}, {n}, {d} | {a:.3f} | {b:.3f} | {a / b:.1f} | {int(ours[0][1].converged.sum())}, "
            f"{theirs[0][1]} | {whole:.2f} | {share:.0%} | {gain:.2f} |"
        )


if __name__ == "__main__":
    main()
