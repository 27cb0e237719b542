"""How much must be installed for a system to run, in bytes."""

import pathlib
import subprocess

# What every program has anyway.
OF_THE_SYSTEM = ("libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so", "ld-linux", "linux-vdso")
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


def of_program(program):
    """A program and all libraries that it loads, but those of every program."""
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True).stdout
    files = {pathlib.Path(program).resolve()} | {path.resolve() for path in libraries(listed)}
    return {"installed_bytes": sum(file.stat().st_size for file in files)}


def libraries(listed):
    """The paths in what `ldd` prints."""
    words = [line.split() for line in listed.splitlines() if "=>" in line]
    return [
        pathlib.Path(parts[2]) for parts in words
        if len(parts) > 2 and parts[2].startswith("/") and not parts[0].startswith(OF_THE_SYSTEM)]
