"""How much must be installed for a system to run, in bytes."""

import pathlib
import platform
import subprocess

# What lists the libraries that a program loads.
LISTING = ["otool", "-L"] if platform.system() == "Darwin" else ["ldd"]
# What every program has anyway.
OF_THE_SYSTEM = ("libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so", "ld-linux", "linux-vdso")
FOLDERS_OF_MACOS = ("/usr/lib/", "/System/")
# What PyTorch brings along for graphics cards: its ordinary packages need it to be loaded at all.
FOR_GRAPHICS_CARDS = ("nvidia*", "triton*", "cuda*", "torch/lib/*cuda*", "torch/lib/*nccl*")


def byte_count(folder):
    return sum(file.lstat().st_size for file in pathlib.Path(folder).rglob("*") if not file.is_dir())


def of_environment(folder):
    """A virtual environment's files, without Python itself, and how much of that is for graphics cards."""
    packages = list(pathlib.Path(folder).glob("lib/python*/site-packages"))
    found = {place for root in packages for pattern in FOR_GRAPHICS_CARDS for place in root.glob(pattern)}
    cards = sum(byte_count(place) if place.is_dir() else place.lstat().st_size for place in found)
    return {"installed_bytes": byte_count(folder), "for_graphics_cards_bytes": cards}


def of_program(program, listing=LISTING):
    """A program and all libraries that it loads, but those of every program; nothing where no tool lists them."""
    found, waiting = set(), [pathlib.Path(program).resolve()]
    while waiting:
        file = waiting.pop()
        if file in found or not file.exists():
            continue
        found.add(file)
        try:
            listed = subprocess.run([*listing, str(file)], capture_output=True, text=True).stdout
        except OSError:
            return {}
        waiting += [path.resolve() for path in libraries(listed)]
    return {"installed_bytes": sum(file.stat().st_size for file in found)}


def libraries(listed):
    """The paths in what `ldd` or `otool -L` prints."""
    found = []
    for parts in (line.split() for line in listed.splitlines()):
        if len(parts) > 2 and parts[1] == "=>" and not parts[0].startswith(OF_THE_SYSTEM):
            found.append(parts[2])
        elif "(compatibility" in parts[1:2] and not parts[0].startswith(FOLDERS_OF_MACOS):
            found.append(parts[0])
    return [pathlib.Path(path) for path in found if path.startswith("/")]
