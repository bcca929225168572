"""How many modes a GAN finds: a ring of 8 and a grid of 25 normals, one documented default for both.

    python benchmarks/gan_modes.py                          # ten seeds of each
    python benchmarks/gan_modes.py --seeds 2 --first 3      # two of each; what was measured before is kept

The data of Lin et al., "PacGAN", 2018: 100,000 rows; ring of radius 1, standard deviation 0.01; grid {-4, -2, 0, 2, 4}^2,
standard deviation 0.05. Of 2,500 samples, those within three standard deviations of a centre are of high quality (98.9 %
of true draws are), and a mode is found if one such sample is near it. Published (generator 4 x 400 with batch norms, critic
of maxouts, 400 epochs): GAN 6.3 and 17.3 modes; PacGAN-2 7.9 modes of the ring; PacGAN-4 24.8 of the grid; high quality
95.6 % and 93.6 %. Ours is `latentia.GAN` as it comes, for `EPOCHS` epochs with one row in a hundred held out, on one core of a CPU.
"""

import argparse
import csv
import os
import time
from pathlib import Path

import numpy as np

from latentia import GAN
from latentia.reproduce.games import EPOCHS, SAMPLES, SETS, modes, rows

RESULTS = Path(__file__).parent / "results" / "gan_modes.md"
RUNS = RESULTS.with_suffix(".csv")


def one(name: str, seed: int) -> tuple[int, float, float]:
    """Modes, high quality and seconds of the processor of one seed."""
    centres, sd = SETS[name]
    x = rows(centres, sd, seed)
    begun = time.process_time()
    model = GAN(max_epochs=EPOCHS, device="cpu", random_state=seed, validation_fraction=0.01).fit(x)
    seconds = time.process_time() - begun
    found, good = modes(model.sample(SAMPLES, seed), centres, sd)
    print(
        f"{name}, seed {seed}: {found} modes, {good:.1%} of high quality, {seconds:.0f} s of the processor. {model.fit_.status}",
        flush=True,
    )
    return found, good, seconds


def table(numbers: dict[str, list[tuple[int, float, float]]]) -> str:
    """The results as a page."""
    lines = [
        "# Modes that a GAN finds\n",
        f"Made by `python benchmarks/gan_modes.py`: `GAN(max_epochs={EPOCHS}, validation_fraction=0.01)`, every other parameter "
        f"as it comes, on one core ({os.cpu_count()} in the machine, shared with other work). 2,500 samples a seed; mean and range over seeds.\n",
        "| data | modes | of high quality | of seeds, below 90 % | seeds | processor seconds a seed | PacGAN's best, published |",
        "|---|---|---|---|---|---|---|",
    ]
    published = {"ring of 8": "7.9 (95.6 %)", "grid of 25": "24.8 (93.6 %)"}
    for name, found in numbers.items():
        n, good, seconds = (np.array(column) for column in zip(*found))
        lines.append(
            f"| {name} | {n.mean():.1f} ({n.min()} to {n.max()}) | {100 * good.mean():.1f} % ({100 * good.min():.1f} to "
            f"{100 * good.max():.1f}) | {(good < 0.9).sum()} | {len(n)} | {seconds.mean():.0f} | {published[name]} |"
        )
    return "\n".join(lines) + "\n"


def kept() -> dict[str, list[tuple[int, float, float]]]:
    """What was measured so far, by data."""
    numbers: dict[str, list[tuple[int, float, float]]] = {name: [] for name in SETS}
    if RUNS.is_file():
        for row in csv.DictReader(RUNS.open(encoding="utf-8")):
            numbers[row["data"]].append(
                (int(row["modes"]), float(row["high_quality"]), float(row["processor_seconds"]))
            )
    return {name: found for name, found in numbers.items() if found}


def keep(name: str, seed: int, found: tuple[int, float, float]) -> None:
    """Add a seed to what was measured, and write the table anew."""
    new = not RUNS.is_file()
    with RUNS.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(["data", "seed", "modes", "high_quality", "processor_seconds"])
        writer.writerow([name, seed, found[0], round(found[1], 4), round(found[2], 1)])
    RESULTS.write_text(table(kept()), encoding="utf-8")


def main() -> None:
    """Every seed asked for, each of which joins the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", choices=tuple(SETS), help="one of the two")
    asked = parser.parse_args()
    for name in (asked.only,) if asked.only else tuple(SETS):
        for seed in range(asked.first, asked.first + asked.seeds):
            keep(name, seed, one(name, seed))
    print(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
