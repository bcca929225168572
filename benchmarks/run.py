"""`make bench`: every benchmark that ends within minutes, one after the other; tables go to benchmarks/results/."""

import subprocess
import sys
from pathlib import Path

QUICK = (
    "conformance/run.py",
    "evidence.py",
    "em.py",
    "full_covariance.py",
    "gradients.py",
    "svi_million.py",
    "refined_bounds.py",
    "learners.py",
    "speed/run.py",
    "speed/whole.py",
    "speed/memory.py",
    "speed/processes.py",
)
LONG = (
    "speed/quality.py",
    "larger_than_memory.py",
    "static_mnist.py",
    "binary_latents.py",
    "vamp_prior.py",
)


def main() -> None:
    """Run the quick ones; with --all also those that take ten minutes and more."""
    names = QUICK + (LONG if "--all" in sys.argv else ())
    for name in names:
        print(f"--- {name}", flush=True)
        subprocess.run([sys.executable, str(Path(__file__).parent / name)], check=True)


if __name__ == "__main__":
    main()
