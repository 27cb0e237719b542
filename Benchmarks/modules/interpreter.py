"""Which Python runs a script: one with the packages that it needs."""

import importlib.util
import os
import pathlib
import sys

from . import environments

# Where Benchmarks/compare installs PyTorch.
ENVIRONMENT = environments.python(environments.DEFAULT, "torch-env")


def default_python():
    return ENVIRONMENT if ENVIRONMENT.exists() else pathlib.Path(sys.executable)


def add_option(parser):
    parser.add_argument(
        "--python", metavar="FILE", type=pathlib.Path, default=default_python(),
        help="a Python with torch and numpy (default: the one that Benchmarks/compare has installed, else this one)")


def require_packages(python, *packages):
    """Starts the script again with `python` where the running one lacks a package."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if not missing:
        return
    # Compared unresolved: the Python of an environment is a link to the system's.
    if os.path.abspath(python) == os.path.abspath(sys.executable):
        sys.exit(
            f"error: this Python has no {' and no '.join(missing)}. Install them with\n"
            "    Benchmarks/compare --systems pytorch --set-up-only\nor name a Python that has them with --python.")
    os.execv(python, [str(python), *sys.argv])
