"""Running the program `apus`."""

import contextlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEP = re.compile(r"^step (\d+)\s+loss (\S+)$")


def add_option(parser):
    parser.add_argument(
        "--apus", metavar="FILE", type=pathlib.Path, default=ROOT / ".build/release/apus",
        help="the built program (default: .build/release/apus; 'swift build -c release' makes it)")


def require(program):
    """Ends the script with a clear line where the program is not there."""
    if not os.access(program, os.X_OK):
        sys.exit(f"error: there is no program at {program}; build it with: swift build -c release")


def environment(**changes):
    """The process' environment, with no network for data: what is timed or compared must not wait for it."""
    return {**os.environ, "APUS_OFFLINE": "1", **changes}


def run(program, *arguments):
    """What `apus` says on the standard output. Ends the script where it fails."""
    command = [str(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    if done.returncode != 0:
        sys.exit(f"error: {shlex.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def step_losses(output):
    """The losses in what `apus train --log-every 1` says, by step, counted from 1."""
    matches = (STEP.match(line) for line in output.splitlines())
    return {int(match[1]): float(match[2]) for match in matches if match}


def findings(program):
    """What `apus doctor` says of versions and the processor, by subject."""
    lines = [line.split(None, 2) for line in run(program, "doctor").splitlines() if line.startswith("ok ")]
    found = {parts[1]: parts[2] for parts in lines if len(parts) == 3}
    return {name: found[name] for name in ("Apus", "oneDNN", "instructions") if name in found}


def json_lines(text):
    """The objects among the lines of `text`; not one that was cut short when its program was ended."""
    found = []
    for line in text.splitlines():
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
    return found
