"""Autoencoder or VAE? The pictures and the numbers of docs/ae-or-vae.md: `.venv/bin/python docs/make_images_ae_or_vae.py`.

The same networks (64-128-128-8 and back) learn the handwritten digits as an autoencoder and as a VAE; a third and a fourth fit
with two latent units look at what each half of the ELBO does alone. About two minutes on two cores.
"""

import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.mixture import GaussianMixture

from latentia import VAE, Autoencoder
from latentia.evidence import frechet_distance
from latentia.explore import interpolation
from latentia.explore.image_grid import as_images, tile
from latentia.explore.image_plots import grids_chart
from latentia.explore.style import class_colour, figure, png, styled

HERE = Path(__file__).parent / "images"
COMMON: dict[str, Any] = {"hidden": (128, 128), "max_epochs": 200, "patience": None, "random_state": 0, "device": "cpu"}
SHAPE, LIMITS = (8, 8), (0.0, 16.0)


def principal(x: np.ndarray, k: int = 20) -> np.ndarray:
    """The data's first k principal axes, `(64, k)`."""
    return np.linalg.svd(x - x.mean(0), full_matrices=False)[2][:k].T


def samples(ae: Any, vae: Any, n: int) -> dict[str, np.ndarray]:
    """Decoded draws of five sources of codes, `(n, 64)` each; two of them lie far off where the codes of digits do."""
    rng, codes = np.random.default_rng(0), ae.transform(DIGITS.data)
    mixture = GaussianMixture(20, random_state=0).fit(codes)
    return {
        "autoencoder, z ~ N(0, I)": ae.inverse_transform(rng.normal(size=(n, 8))),
        "autoencoder, z ~ mixture of its codes": ae.inverse_transform(rng.permutation(mixture.sample(n)[0])),
        "VAE, z ~ N(0, I)": vae.inverse_transform(rng.normal(size=(n, 8))),
        "far off: autoencoder, three times its codes' spread": ae.inverse_transform(
            codes.mean(0) + 3 * codes.std(0) * rng.normal(size=(n, 8))
        ),
        "far off: VAE, z ~ N(0, 9 I)": vae.inverse_transform(3 * rng.normal(size=(n, 8))),
    }


def distances(found: dict[str, np.ndarray]) -> None:
    """Print how far each kind of samples lies from all digits, on 20 principal components."""
    axes, real = principal(DIGITS.data), DIGITS.data
    one, other = np.array_split(np.random.default_rng(0).permutation(real), 2)
    print("| samples | Frechet distance |\n|---|---|")
    for name, x in found.items():
        print(f"| {name} | {frechet_distance(real @ axes, x @ axes):.0f} |")
    print(f"| one half of the digits, against the other | {frechet_distance(one @ axes, other @ axes):.0f} |")


@styled
def maps(models: dict[str, Any]) -> Any:
    """Two latent units of each model, a dot for each row, coloured by its digit."""
    fig = figure(3.4, 3.2 * len(models))
    every = fig.subplots(1, len(models))
    for ax, (name, model) in zip(every, models.items()):
        z = model.transform(DIGITS.data)
        ax.scatter(*z.T, s=3, c=[class_colour(digit) for digit in DIGITS.target], linewidths=0)
        ax.set_title(name)
        ax.set_xlabel("latent unit 0")
    every[0].set_ylabel("latent unit 1")
    dots = [every[0].scatter([], [], s=14, color=class_colour(digit), label=str(digit)) for digit in range(10)]
    fig.legend(handles=dots, loc="outside right center", title="digit")
    return fig


@styled
def between(ae: Any, vae: Any) -> Any:
    """The same two rows joined in both latent spaces."""
    lines = [interpolation(model, DIGITS.data[2], DIGITS.data[6], 12) for model in (ae, vae)]
    fig = figure(1.75)
    for ax, x, name in zip(fig.subplots(2, 1), lines, ("autoencoder", "VAE")):
        ax.imshow(tile(as_images(x, SHAPE, LIMITS), 12))
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
    return fig


def main() -> None:
    """Fit, print, draw."""
    warnings.simplefilter("ignore", UserWarning)  # three pixels are always blank
    x = DIGITS.data
    ae = Autoencoder(8, **COMMON).fit(x)
    vae = VAE(8, noise="one", **COMMON).fit(x)
    drawn = samples(ae, vae, len(x))
    distances(drawn)
    near, far = ([(name, rows[:60]) for name, rows in drawn.items() if ("far" in name) == off] for off in (False, True))
    (HERE / "ae_or_vae_samples.png").write_bytes(png(grids_chart(near, SHAPE, LIMITS, 10)))
    (HERE / "ae_or_vae_far.png").write_bytes(png(grids_chart(far, SHAPE, LIMITS, 10)))
    (HERE / "ae_or_vae_between.png").write_bytes(png(between(ae, vae)))
    halves = {
        "reconstruction only": Autoencoder(2, **COMMON).fit(x),
        "KL only (weight 1,000)": VAE(2, noise="one", kl_weight=1000.0, **COMMON).fit(x),
        "both: the ELBO": VAE(2, noise="one", **COMMON).fit(x),
    }
    drawn = BytesIO()
    Image.open(BytesIO(png(maps(halves)))).quantize(64).save(drawn, format="png", optimize=True)
    (HERE / "ae_or_vae_maps.png").write_bytes(drawn.getvalue())
    for name, rows in (("autoencoder", ae), ("VAE", vae)):
        held = x[vae.held_out_rows_]
        print(name, "squared error of held-out rows:", f"{np.square(held - rows.reconstruct(held)).sum(1).mean():.1f}")
    print("VAE:", vae.evidence(x[vae.held_out_rows_], "importance", 500))


DIGITS = load_digits()

if __name__ == "__main__":
    main()
