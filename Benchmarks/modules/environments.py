"""Where the other systems are installed: a virtual environment for each, outside the project."""

import os
import pathlib
import platform
import subprocess
import sys

DEFAULT = pathlib.Path(os.environ.get("APUS_CACHE") or pathlib.Path.home() / ".cache/apus") / "peers"
IS_LINUX = platform.system() == "Linux"
# The packages of each environment, and modules that are there when all of it is.
CONTENTS = {
    "torch-env": (["torch", "numpy"], ["torch", "numpy"]),
    "keras-env": (["tensorflow-cpu" if IS_LINUX else "tensorflow", "keras"], ["tensorflow", "keras"]),
    "jax-env": (["jax", "optax", "numpy"], ["jax", "jaxlib", "optax"]),
    "mlx-env": (["mlx[cpu]" if IS_LINUX else "mlx", "numpy"], ["mlx", "numpy"]),
    "plot-env": (["matplotlib"], ["matplotlib"]),
}


class SetUpError(Exception):
    """What pip said."""


def add_options(parser):
    parser.add_argument(
        "--environments", metavar="DIR", type=pathlib.Path, default=DEFAULT,
        help="where the other systems are, and are installed if they are missing (default: ~/.cache/apus/peers)")
    parser.add_argument(
        "--torch-index", metavar="URL",
        help="a package index with PyTorch for processors only, which is smaller (default: pip's own index)")


def python(folder, name):
    return folder / name / "bin/python"


def is_ready(folder, name):
    """Whether the environment is there with all its modules."""
    program = python(folder, name)
    if not os.access(program, os.X_OK):
        return False
    check = (
        "import sys; from importlib.util import find_spec; "
        "sys.exit(any(find_spec(name) is None for name in sys.argv[1:]))")
    return subprocess.run([program, "-c", check, *CONTENTS[name][1]], capture_output=True).returncode == 0


def set_up(folder, name, torch_index=None):
    """Makes the environment, or completes it. Raises SetUpError where pip fails."""
    if is_ready(folder, name):
        return
    print(f"installing {', '.join(CONTENTS[name][0])} into {name} ...", file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    index = ["--index-url", torch_index] if torch_index and name == "torch-env" else []
    pip = [str(python(folder, name)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in ([sys.executable, "-m", "venv", str(folder / name)], [*pip, *index, *CONTENTS[name][0]]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise SetUpError(done.stdout + done.stderr)
