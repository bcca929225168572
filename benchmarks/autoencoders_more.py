"""Parts of `autoencoders.py` that make their own data: the score of a smoothed density, and a matrix on a disk."""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np

from latentia import LinearAutoencoder
from latentia.data import open_shards
from latentia.reproduce.autoencoders import CENTRES, N_ROWS, SIGMA, SPREAD, cosines, denoiser, mixture, smoothed_score

# --- the score -------------------------------------------------------------------------------------------------------


def spiral(u: np.ndarray) -> np.ndarray:
    """t = 3 + 12 u, (0.04 t sin t, 0.04 t cos t)."""
    t = 3 + 12 * u
    return 0.04 * np.stack([t * np.sin(t), t * np.cos(t)], 1)


def spiral_normal(u: np.ndarray) -> np.ndarray:
    """Unit normals of the spiral."""
    t = 3 + 12 * u
    tangent = np.stack([np.sin(t) + t * np.cos(t), np.cos(t) - t * np.sin(t)], 1)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    return np.stack([-tangent[:, 1], tangent[:, 0]], 1)


def nearest(y: np.ndarray) -> np.ndarray:
    """The nearest point of the spiral to each row."""
    curve = spiral(np.linspace(0, 1, 20_001))
    return np.concatenate(
        [curve[np.square(curve[None] - part[:, None]).sum(-1).argmin(1)] for part in np.array_split(y, 40)]
    )


def score(asked: argparse.Namespace) -> None:
    """Line 4: a mixture of three normals, sigma 0.3, and a spiral, sigma 0.02."""
    from autoencoders import write

    title = "The score of a denoising autoencoder"
    lines = [
        "| data | what | value | line | seconds |",
        "|---|---|---|---|---|",
        *_spiral_lines(asked.seed, asked.epochs),
    ]
    lines += ["", f"A mixture of three normals, {N_ROWS:,} rows, sigma 0.3, over 5,000 noised points that are new; every seed draws its own rows, "
              "points and weights. The rows smoothed is the exact score of the training rows with noise, what a perfect fit to them would give.", ""]  # fmt: skip
    lines += ["| seed | relative L2 error | line | mean cosine | line | the rows smoothed: relative error | seconds |"]
    lines += ["|---|---|---|---|---|---|---|"]
    found = []
    for seed in range(asked.seed, asked.seed + asked.seeds):
        relative, cosine, kernel, seconds = _of_mixture(seed, asked.epochs)
        found.append((relative, cosine, kernel, seconds))
        lines.append(f"| {seed} | {relative:.4f} | < 0.05 | {cosine:.4f} | > 0.99 | {kernel:.4f} | {seconds:.0f} |")
        print(lines[-1], flush=True)
    relative, cosine, kernel, _ = np.mean(found, 0)
    error = np.std([each[0] for each in found], ddof=1) / len(found) ** 0.5 if len(found) > 1 else float("nan")
    lines.append(f"| mean | {relative:.4f} ± {error:.4f} | < 0.05 | {cosine:.4f} | > 0.99 | {kernel:.4f} | |")
    write("score", title, lines)


def _of_mixture(seed: int, epochs: int | None) -> tuple[float, float, float, float]:
    """Relative error and mean cosine of a fit, relative error of the rows smoothed, seconds of the fit."""
    rng, scale = np.random.default_rng(seed), SIGMA
    x, fresh = mixture(N_ROWS, rng), mixture(5000, rng)
    y = fresh + scale * rng.normal(size=fresh.shape)
    true, begun = smoothed_score(y, CENTRES, SPREAD**2 + scale**2), time.perf_counter()
    model = denoiser(scale, seed, **({"max_epochs": epochs} if epochs else {})).fit(x)
    found, seconds = model.score_field(y), time.perf_counter() - begun
    size = np.linalg.norm(true)
    kernel = np.linalg.norm(smoothed_score(y, x, scale**2) - true) / size
    return float(np.linalg.norm(found - true) / size), float(cosines(found, true).mean()), float(kernel), seconds


def _spiral_lines(seed: int, epochs: int | None) -> list[str]:
    rng, scale = np.random.default_rng(seed), 0.02
    x = spiral(rng.random(N_ROWS))
    u = rng.uniform(0.05, 0.95, 4000)
    shift = scale * rng.uniform(0.5, 3.0, 4000) * rng.choice([-1.0, 1.0], 4000)
    y, begun = spiral(u) + shift[:, None] * spiral_normal(u), time.perf_counter()
    options = {"hidden": (64, 64, 64), "max_epochs": epochs or 300, "learning_rate": 0.005, "batch_size": 1000}
    options |= {"activation": "silu", "optimizer": "adamw"}
    model = denoiser(scale, seed, **options).fit(x)
    found, seconds = model.score_field(y), time.perf_counter() - begun
    mean = cosines(found, nearest(y) - y).mean()
    return [
        f"| spiral, sigma 0.02 | mean cosine to the nearest point, 0.5 to 3 sigma off | {mean:.4f} | > 0.95 | {seconds:.0f} |"
    ]


# --- a matrix on a disk ----------------------------------------------------------------------------------------------

WANTED = 10
FACTORS, NOISE = 64, 0.001


def make_matrix(path: Path, n_bytes: int, columns: int, seed: int) -> None:
    """Rows of 64 factors of falling scale and a little noise, float32, written piece by piece."""
    n_rows = n_bytes // (4 * columns)
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(columns, FACTORS)))[0].T * (0.9 ** np.arange(FACTORS))[:, None]
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n_rows, columns))
    for start in range(0, n_rows, 4096):
        part = out[start : start + 4096]
        part[:] = rng.normal(size=(len(part), FACTORS)) @ turn + NOISE * rng.normal(size=part.shape)
    out.flush()


class Watch(threading.Thread):
    """The most memory of its own, in bytes, that this process holds; pages of a mapped file, which the system may drop, are not."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0

    def run(self) -> None:
        while True:
            status = Path("/proc/self/status").read_text(encoding="ascii")
            line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
            self.most = max(self.most, 1024 * int(line.split()[1]))
            time.sleep(0.002)


def child(path: Path, solver: str, allowed: float) -> None:
    """Fit in a process of its own, print what memory it took beyond that of the libraries, and save the answer."""
    small = np.random.default_rng(0).normal(size=(200, 128))
    LinearAutoencoder(WANTED, solver=solver).fit(small)  # libraries are loaded and warm
    watch = Watch()
    watch.start()
    time.sleep(0.1)
    before, begun = watch.most, time.perf_counter()
    model = LinearAutoencoder(WANTED, solver=solver, max_memory=allowed).fit(open_shards(path))
    took = (watch.most - before) / 2**20
    np.savez(path.with_suffix(f".{solver}.npz"), axes=model.components_, variance=model.explained_variance_)
    print(f"{took:.1f} {time.perf_counter() - begun:.1f} {model.fit_.status}")


def streamed(asked: argparse.Namespace) -> None:
    """Leading singular vectors of matrices ten times larger than the memory allowed."""
    from autoencoders import write

    lines = [
        "Matrices of ten times what is allowed, float32, on a disk; allowed is what the process takes beyond the libraries, "
        "pages of the mapped file aside. Beside LAPACK's decomposition of all rows in memory, float64.",
        "",
        "| allowed, MiB | columns | solver | memory taken, MiB | seconds | axes, largest 1 - cosine | variances, largest relative error | how |",
        "|---|---|---|---|---|---|---|---|",
    ]
    sizes = product(map(int, asked.mib.split(",")), map(int, asked.columns.split(",")))
    for mib, columns in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "matrix.npy")
            make_matrix(path, 2**20 * mib, columns, asked.seed)
            lines += [
                _streamed_line(path, columns, mib / 10, solver, exact(path)) for solver in ("covariance", "randomised")
            ]
    write("streamed", "Singular vectors of a matrix that does not fit into its allowance", lines)


def _streamed_line(path: Path, columns: int, allowed: float, solver: str, truth: tuple[np.ndarray, np.ndarray]) -> str:
    axes, variance = truth
    command = [sys.executable, __file__, str(path), solver, str(allowed)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return f"| {allowed:g} | {columns} | {solver} | | | | | {done.stderr.strip().splitlines()[-1]} |"
    took, seconds, *status = done.stdout.split()
    found = np.load(path.with_suffix(f".{solver}.npz"))
    angle = 1 - np.abs((found["axes"] * axes).sum(1)).min()
    error = np.abs(found["variance"] / variance - 1).max()
    return (
        f"| {allowed:g} | {columns} | {solver} | {took} | {seconds} | {angle:.1e} | {error:.1e} | {' '.join(status)} |"
    )


@cache
def exact(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """In memory, by LAPACK's SVD of the R factor of all centred rows, float64."""
    centred = np.load(path).astype(np.float64)
    centred -= centred.mean(0)
    _, s, vt = np.linalg.svd(np.linalg.qr(centred, mode="r"))
    return vt[:WANTED], np.square(s[:WANTED]) / len(centred)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    child(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
