"""The wheel, imported in a clean environment."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import latentia

ROOT = Path(__file__).parents[1]


def run(environment: Path, code: str) -> str:
    """What a clean environment's Python prints."""
    command = [environment / "bin" / "python", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_wheel_imports_in_a_clean_environment(tmp_path: Path) -> None:
    source = tmp_path / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "src", "pyproject.toml", "README.md", "LICENSE"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "latentia/py.typed" in names
    assert "latentia/report/templates/report.html" in names
    assert not [name for name in names if name.startswith(("tests", "benchmarks"))]

    clean = tmp_path / "clean"
    venv.create(clean, with_pip=False)
    site = clean / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    zipfile.ZipFile(wheel).extractall(site)
    assert run(clean, "import latentia; print(latentia.__version__)").strip() == latentia.__version__

    # The dependencies come from this environment; latentia itself from the wheel.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    code = "import latentia, numpy as np; v = latentia.VAE(n_latent=1, hidden=(2,), max_epochs=1).fit(np.eye(9)); print(latentia.__file__)"
    assert str(site) in run(clean, code)
