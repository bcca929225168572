"""What each gradient estimator costs: bias and variance, growth with the latent's size, signal-to-noise of k samples.

    python benchmarks/gradients.py        # about five minutes; writes results/gradients.md and docs/images/gradients.png

Four measurements, all with the estimators that a fit uses:

1. one model, one data set: a VAE with 8 binary latents, and one with 2 normal latents, each fitted to the handwritten
   digits (8 x 8, binarised). The gradient by q's raw numbers of 40 rows is estimated 4,000 times with two draws of z and
   compared with the exact one, by enumeration (256 values) or quadrature (a grid of 200 x 200); that of the bounds of two
   draws with the sum over pairs (65,536 of values, or 17 million of nodes, which is right to about half a percent).
2. the variance of d/dmu_1 E[sum_j f(z_j)], z ~ N(mu, I), against the number of latent dimensions.
3. the toy E_b[(b - p0)^2], whose variances are known exactly.
4. signal-to-noise ratio of the importance-weighted bound's gradient against k, plain and doubly reparameterised, on the
   linear-Gaussian problem of Rainforth et al. (2018).
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from gradient_price import SEED, Priced, coins, coins_many, estimates, normals, normals_many
from gradient_toy import toy_variances
from torch import Tensor
from torch.distributions import Independent, Normal

from latentia.batch import Batch
from latentia.bounds import Elbo, ImportanceWeighted
from latentia.explore.style import CLASSES, INK, LINE, MUTED, RC

HERE = Path(__file__).parent
RESULTS, PICTURE = HERE / "results" / "gradients.md", HERE.parent / "docs" / "images" / "gradients.png"
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SAMPLES = (1, 2, 4, 8, 16, 32, 64, 128)


# --- against the number of latent dimensions ---------------------------------------------------------------------------


class Sum:
    """log p(x|z) = sum_j f(z_j), f(z) = -(z - 1)^2 / 2 + level; f(z_j) has the mean 0 under N(0, 1) at level 1."""

    event_shape = (1,)

    def __init__(self, size: int, level: float) -> None:
        self.size, self.level = size, level

    def prior(self) -> Any:
        zero = torch.zeros(self.size, dtype=torch.float64)
        return Independent(Normal(zero, zero + 1), 1)

    def log_likelihood(self, x: Tensor, z: Tensor, observed: Any = None) -> Tensor:
        return (self.level - (z - 1).square() / 2).sum(-1)


def variance_at(size: int, level: float, bound: Elbo, draws: int = 20_000) -> float:
    """Variance of the estimate of d/dmu_1 at mu = 0."""
    torch.manual_seed(SEED)
    mean = torch.zeros(draws, size, dtype=torch.float64, requires_grad=True)
    q = Independent(Normal(mean, torch.ones_like(mean)), 1)
    batch = Batch(torch.zeros(draws, 1, dtype=torch.float64), torch.arange(draws))
    bound(Sum(size, level), lambda *_: q, batch).surrogate.sum().backward()
    assert mean.grad is not None
    return float(mean.grad[:, 0].var())


GROWTH: dict[str, tuple[float, Elbo]] = {
    "score, no baseline": (0.0, Elbo(2, gradient="score")),
    "score, leave-one-out": (0.0, Elbo(2, gradient="leave-one-out")),
    "score, centred f": (1.0, Elbo(2, gradient="score")),
    "pathwise": (0.0, Elbo(2)),
}


def growth() -> dict[str, list[float]]:
    """Variances over `SIZES`."""
    return {name: [variance_at(size, level, bound) for size in SIZES] for name, (level, bound) in GROWTH.items()}


# --- signal-to-noise of the importance-weighted bound ------------------------------------------------------------------


class Conjugate:
    """z ~ N(0, I), x | z ~ N(z, I) in ten dimensions."""

    event_shape = (10,)

    def prior(self) -> Any:
        zero = torch.zeros(10, dtype=torch.float64)
        return Independent(Normal(zero, zero + 1), 1)

    def log_joint(self, x: Tensor, z: Tensor, observed: Any = None) -> Tensor:
        return self.prior().log_prob(z) + Normal(z, 1.0).log_prob(x).sum(-1)


def signal_to_noise(repeats: int = 10_000) -> dict[str, list[float]]:
    """Mean over the coordinates of q's mean of |mean| / standard deviation, for each k of `SAMPLES`.

    q = N(x / 2 + shift, 2/3 I) with a shift of standard deviation 0.2; the exact posterior is N(x / 2, I / 2).
    """
    torch.manual_seed(SEED)
    x = torch.randn(1, 10, dtype=torch.float64) * 2**0.5
    raw = x / 2 + 0.2 * torch.randn_like(x)
    scale = torch.full_like(x[0], (2 / 3) ** 0.5)
    family = lambda r: Independent(Normal(r, scale), 1)  # noqa: E731
    out: dict[str, list[float]] = {}
    for name in ("pathwise", "dreg"):
        bounds = [ImportanceWeighted(k, gradient=name) for k in SAMPLES]
        found = [estimates(Conjugate(), family, raw, x, bound, repeats) for bound in bounds]
        out[name] = [float((one.mean(0).abs() / one.std(0)).mean()) for one in found]
    return out


# --- writing -----------------------------------------------------------------------------------------------------------


def price_section(title: str, rows: list[Priced]) -> list[str]:
    """Bias, its floor and the variance, a line for each estimator."""
    return [
        f"## {title}, digits, two draws of z per row",
        "",
        "Bias and its noise floor are shares of the exact gradient's length; the variance is in units of its square. A "
        "bias near its floor cannot be told from none.",
        "",
        "| gradient | bias | noise floor | variance |",
        "|---|---|---|---|",
        *(f"| {name} | {bias:.2%} | {floor:.2%} | {variance:.3g} |" for name, bias, floor, variance in rows),
        "",
    ]


def series(sizes: tuple[int, ...], values: list[float], first: int) -> str:
    """Numbers against sizes, and the exponent fitted from the size `first` on."""
    large = [i for i, size in enumerate(sizes) if size >= first]
    slope = np.polyfit(np.log([sizes[i] for i in large]), np.log([values[i] for i in large]), 1)[0]
    return " | ".join(f"{v:.3g}" for v in values) + f" | {slope:.2f} |"


def growth_section(grown: dict[str, list[float]]) -> list[str]:
    """Variances, a line for each estimator."""
    return [
        "## Variance of d/dmu_1 E[sum_j f(z_j)] against the number of latent dimensions, two draws",
        "",
        "f(z) = -(z - 1)^2 / 2, and the same with its mean taken away; the exponent is fitted from 16 dimensions on.",
        "",
        "| estimator | " + " | ".join(map(str, SIZES)) + " | exponent |",
        "|---" * (len(SIZES) + 2) + "|",
        *(f"| {name} | {series(SIZES, values, 16)}" for name, values in grown.items()),
        "",
    ]


def noise_section(snr: dict[str, list[float]]) -> list[str]:
    """Ratios, a line for each estimator."""
    return [
        "## Signal-to-noise ratio of the importance-weighted bound's gradient by q, against k",
        "",
        "z ~ N(0, I) in ten dimensions, x | z ~ N(z, I), q = N(x / 2 + shift, 2/3 I), shifts of standard deviation 0.2; the "
        "gradient by q's mean, 10,000 repeats, mean over its coordinates. No signal at all would show as 0.008. The exponent is "
        "fitted from k = 8 on.",
        "",
        "| gradient | " + " | ".join(map(str, SAMPLES)) + " | exponent |",
        "|---" * (len(SAMPLES) + 2) + "|",
        *(f"| {name} | {series(SAMPLES, values, 8)}" for name, values in snr.items()),
        "",
    ]


MANY = "The importance-weighted bound, and Renyi's of order 1/2"
SECTIONS: dict[str, Callable[[], list[str]]] = {
    "coins": lambda: price_section("8 binary latents", coins()),
    "normals": lambda: price_section("2 normal latents", normals()),
    "coins-many": lambda: price_section(f"{MANY}, 8 binary latents", coins_many()),
    "normals-many": lambda: price_section(f"{MANY}, 2 normal latents", normals_many()),
    "growth": lambda: growth_section(growth()),
    "toy": toy_variances,
    "noise": lambda: noise_section(signal_to_noise()),
}


def before() -> dict[str, list[str]]:
    """The sections of the table as it is."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    parts = [[*("## " + part).strip().splitlines(), ""] for part in text.split("\n## ")[1:]]
    return dict(zip(SECTIONS, parts))


def rows_of(section: list[str]) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in section if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def draw_price(axes: Any, section: list[str]) -> None:
    """Variance as bars, bias where it is real in words."""
    read = [(name, *(float(cell.rstrip("%")) for cell in cells)) for name, *cells in rows_of(section)]
    rows = sorted(
        ((name, bias / 100, floor / 100, variance) for name, bias, floor, variance in read), key=lambda r: -r[3]
    )
    places = np.arange(len(rows))
    biased = [bias > 3 * floor for _, bias, floor, _ in rows]
    axes.barh(places, [row[3] for row in rows], color=[CLASSES[1] if b else CLASSES[4] for b in biased], height=0.62)
    for y, (_, bias, _, variance), is_biased in zip(places, rows, biased):
        text = f"{float(f'{variance:.2g}'):,g}" + (f", bias {bias:.0%}" if is_biased else "")
        axes.text(variance * 1.15, y, text, va="center", fontsize=8, color=INK)
    axes.set_yticks(places, [row[0] for row in rows])
    axes.set_xscale("log")
    axes.set_xlim(min(row[3] for row in rows) / 3, max(row[3] for row in rows) * 60)
    axes.tick_params(axis="y", length=0)
    axes.set_title("8 binary latents: variance, bias")
    axes.set_xlabel("variance / |exact gradient|²")


def draw_growth(axes: Any, section: list[str]) -> None:
    """Lines on a log-log plot, each with its exponent."""
    for (name, *cells), colour in zip(rows_of(section), (CLASSES[1], CLASSES[2], CLASSES[0], "#d9730d")):
        *values, slope = map(float, cells)
        axes.plot(SIZES, values, "o-", color=colour, markersize=3.5)
        at = {"score, leave-one-out": "bottom", "score, centred f": "top"}.get(name, "center")
        axes.text(SIZES[-1] * 1.2, values[-1], f"{name}\nexponent {abs(slope):.2f}", color=colour, fontsize=8, va=at)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlim(SIZES[0] * 0.85, SIZES[-1] * 24)
    axes.set_xticks(SIZES, [str(size) for size in SIZES])
    axes.grid(axis="y", color=LINE)
    axes.set_title("variance against the number of latent dimensions")
    axes.set_xlabel("latent dimensions")


def draw_noise(axes: Any, section: list[str]) -> None:
    """The two lines of Rainforth's figure."""
    for (name, *cells), colour in zip(rows_of(section), (CLASSES[1], CLASSES[2])):
        values = [float(cell) for cell in cells[:-1]]
        axes.plot(SAMPLES, values, "o-", color=colour, markersize=3.5)
        axes.text(
            SAMPLES[-1] * 1.15, values[-1], {"pathwise": "plain", "dreg": "DReG"}[name], color=colour, va="center"
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlim(0.85, SAMPLES[-1] * 3)
    axes.set_xticks(SAMPLES, [str(k) for k in SAMPLES])
    axes.grid(axis="y", color=LINE)
    axes.set_title("signal-to-noise ratio against k")
    axes.set_xlabel("samples k of the importance-weighted bound")


def picture(sections: dict[str, list[str]]) -> None:
    """docs/images/gradients.png, from the numbers of the table."""
    with plt.rc_context(RC):  # type: ignore[arg-type]
        figure, axes = plt.subplots(1, 3, figsize=(13.5, 3.6), width_ratios=(9, 10, 8), layout="constrained")
        draw_price(axes[0], sections["coins"])
        draw_growth(axes[1], sections["growth"])
        draw_noise(axes[2], sections["noise"])
        for one in axes:
            one.tick_params(colors=MUTED, which="both")
        figure.savefig(PICTURE, dpi=130, metadata={"Software": None})


def main() -> None:
    """Measure, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="*", choices=SECTIONS, default=list(SECTIONS), help="none: draw the picture alone"
    )
    asked = parser.parse_args()
    sections = before()
    for name in asked.only:
        torch.manual_seed(SEED)
        sections[name] = SECTIONS[name]()
    head = [
        "# Gradient estimators: bias, variance, and how they grow",
        "",
        "Made by `python benchmarks/gradients.py`.",
        "",
    ]
    lines = [*head, *(line for name in SECTIONS for line in sections[name])]
    RESULTS.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    picture(sections)


if __name__ == "__main__":
    main()
