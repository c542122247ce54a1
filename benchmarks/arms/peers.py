"""Packages that the contenders and the picture need and Luosi does not: put into a folder of their own, beside Luosi's environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from texts import FOLDER

ACCELERATE, MATPLOTLIB = "accelerate==1.15.0", "matplotlib==3.11.2"


def use(pin: str) -> None:
    """Make the package importable, installing it if need be; what the environment has already stays first."""
    folder: Path = FOLDER / "peers" / pin
    if not folder.exists():
        # accelerate's own requirements are transformers' too
        alone = ["--no-deps"] if pin == ACCELERATE else []
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), *alone, pin]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{pin} could not be installed: {' '.join(command)}\n{done.stderr}")
    sys.path.append(str(folder))
