"""The systems that are compared: what each is called, where it is, and how it is run."""

import dataclasses
import pathlib

from . import apus, environments, machine

PEERS = pathlib.Path(__file__).resolve().parents[1] / "peers"
# The networks of the README, which every system has, and others, which Apus and PyTorch have.
EXPERIMENTS = ["perceptron", "mlp", "vae", "cnn", "lstm", "cam"]
OTHER_WORKLOADS = ["wide-100", "wide-1000", "convolution-48", "convolution-200", "gru", "resnet20", "transformer"]
PHASES = ["training", "inference", "epoch"]
BATCH, INFERENCE_BATCHES = 128, [1, 128]
ROUNDS = 3
# Apus' own names; the other systems have no float32-fast, and run in float32 beside it.
PRECISIONS = ["float32", "bfloat16", "float32-fast"]
# What holds Apus and PyTorch to AVX2: oneDNN (and Apus' own loops), PyTorch's own loops and compiled ones, MKL.
AVX2_LIMITS = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}


@dataclasses.dataclass(frozen=True)
class System:
    # As in tables.
    name: str
    # Its folder among the environments; empty for Apus.
    environment: str = ""
    script: str = ""
    mode: str = ""
    workloads: tuple[str, ...] = tuple(EXPERIMENTS)
    has_bfloat16: bool = True
    # Whether it can be held to AVX2.
    follows_instructions: bool = False
    # Whether its steps take so long that one round must do.
    is_slow: bool = False


ALL = tuple(EXPERIMENTS + OTHER_WORKLOADS)
SYSTEMS = {
    "apus": System("Apus", workloads=ALL, follows_instructions=True),
    "pytorch": System("PyTorch", "torch-env", "pytorch.py", "eager", ALL, follows_instructions=True),
    "pytorch-compiled": System(
        "PyTorch compiled", "torch-env", "pytorch.py", "compile", ALL, follows_instructions=True),
    "keras": System("Keras", "keras-env", "with_keras.py", "graph"),
    "jax": System("JAX", "jax-env", "with_jax.py", "jit"),
    "mlx": System("MLX", "mlx-env", "with_mlx.py", "compile", has_bfloat16=False, is_slow=True),
}


def default_names(precision, instructions):
    """Those that can do it."""
    return [
        name for name, system in SYSTEMS.items()
        if (precision != "bfloat16" or system.has_bfloat16)
        and (instructions == "native" or system.follows_instructions)]


def batches(options):
    """The batch sizes of each phase."""
    return {"training": [options.batch], "inference": INFERENCE_BATCHES, "epoch": [options.batch]}


def name_of_results(options):
    """The default name of the files with results: `compare` for the experiments and all phases, and for each other
    choice a name of its own, so that none takes another's place."""
    parts = ["compare"]
    if options.precision != "float32":
        parts.append(options.precision)
    if options.instructions != "native":
        parts.append(options.instructions)
    for chosen, default in [(options.workloads, EXPERIMENTS), (options.phases, PHASES),
                            (options.systems, default_names(options.precision, options.instructions))]:
        if set(chosen) != set(default):
            parts += ["others"] if set(chosen) == set(OTHER_WORKLOADS) else chosen
    if options.batch != BATCH:
        parts.append(f"batch-{options.batch}")
    if options.threads != machine.core_count():
        parts.append(f"threads-{options.threads}")
    if options.rounds < ROUNDS:
        parts.append(f"rounds-{options.rounds}")
    return "-".join(parts)


def commands(name, workload, phases, options, profiles=True):
    """The commands that measure a workload; together they give a line of JSON for each phase and batch size, and with
    `profiles` one of Apus' training step, kernel by kernel."""
    system = SYSTEMS[name]
    if not system.environment:
        bench = [str(options.apus), "bench", workload, "--threads", str(options.threads)]
        if options.precision != "float32":
            bench += ["--precision", options.precision]
        found = [
            [*bench, "--phase", phase, "--batch-size", str(batch)]
            for phase in phases for batch in batches(options)[phase]]
        # In a process of its own: what it measures takes memory.
        if profiles and "training" in phases:
            found.append([*bench, "--profile", "--batch-size", str(options.batch)])
        return found
    return [[
        str(environments.python(options.environments, system.environment)), str(PEERS / system.script), workload,
        "--mode", system.mode, "--precision", options.precision.removesuffix("-fast"), "--batch", str(options.batch),
        "--phases", *phases, "--inference-batches", *map(str, INFERENCE_BATCHES)]]


def environment(options):
    """What every system finds in its process' environment."""
    count = str(options.threads)
    # What PyTorch compiles is kept from round to round, as it is by default; never for other instructions.
    kept = options.environments.resolve() / f"torch-cache-{options.instructions}"
    return apus.environment(
        THREADS=count, OMP_NUM_THREADS=count, TF_CPP_MIN_LOG_LEVEL="3", TORCHINDUCTOR_CACHE_DIR=str(kept),
        **(AVX2_LIMITS if options.instructions == "avx2" else {}))
