"""From single measurements to medians, ratios, the fastest of the others, and what is held of what Apus aims at.

A measurement is a dictionary with `system`, `round`, `workload`, `phase`, `batch` and figures such as `ms_per_step`.
"""

import statistics

OURS = "apus"
# The phase of Apus' steps that are looked at kernel by kernel.
PROFILE = "profile"
# The share of the fastest other system's time that a training step takes at most, in the same precision.
STEP_AIMS = {
    "float32": {"perceptron": 0.50, "mlp": 0.65, "vae": 0.50, "cnn": 0.40, "lstm": 0.40, "cam": 0.50},
    "bfloat16": {"perceptron": 0.60, "mlp": 0.45, "vae": 0.40, "cnn": 0.35, "lstm": 0.35, "cam": 0.45},
    # Beside the others' float32.
    "float32-fast": {"mlp": 0.45, "vae": 0.45},
}
# Of the other workloads, batch sizes and instruction sets: ahead of PyTorch.
OTHER_STEP_AIM = 1.0
# An epoch's time over that of its steps alone.
EPOCH_AIM, AUGMENTED_EPOCH_AIM = 1.05, 1.10
AUGMENTED = {"cam"}
# The share of PyTorch's peak memory.
MEMORY_AIM = 0.25
# Seconds from the start of the process to the end of the first step.
FIRST_STEP_AIMS = {"mlp": 0.3}


def values(measurements, figure, **where):
    """What was measured of a figure, by system and round."""
    found = {}
    for entry in measurements:
        if entry.get(figure) is not None and all(entry.get(key) == value for key, value in where.items()):
            found.setdefault(entry["system"], {})[entry["round"]] = entry[figure]
    return found


def medians(found):
    return {system: statistics.median(rounds.values()) for system, rounds in found.items()}


def ratio(found, system, other):
    """The median of the ratios within a round; None where they have no round in common."""
    ours, theirs = found.get(system, {}), found.get(other, {})
    shared = [ours[number] / theirs[number] for number in ours if theirs.get(number)]
    return statistics.median(shared) if shared else None


def fastest_other(typical):
    """The system with the least median, Apus aside; None where there is no other."""
    others = {system: value for system, value in typical.items() if system != OURS}
    return min(others, key=others.get) if others else None


def step_aim(workload, precision, batch, instructions):
    """The share that a step may take; None where nothing is aimed at."""
    if batch == 128 and instructions == "native" and workload in STEP_AIMS[precision]:
        return STEP_AIMS[precision][workload]
    return OTHER_STEP_AIM


def is_held(value, aim):
    """None where there is nothing to compare."""
    return None if value is None or aim is None else value <= aim


def row(measurements, workload, phase, batch, figure="ms_per_step", against=None):
    """A table's row: medians by system, the fastest other system (or `against`), the ratio to it."""
    found = values(measurements, figure, workload=workload, phase=phase, batch=batch)
    typical = medians(found)
    other = against or fastest_other(typical)
    return {
        "workload": workload, "medians": typical, "other": other if other in typical else None,
        "ratio": ratio(found, OURS, other) if other else None}


def summary(report):
    """All tables of a comparison."""
    measured, batch = report["measurements"], report["batch"]

    def rows(phase, batch, figure="ms_per_step", against=None):
        found = [row(measured, name, phase, batch, figure, against) for name in report["workloads"]]
        return [entry for entry in found if entry["medians"]]

    tables = {"training": rows("training", batch)}
    for entry in tables["training"]:
        entry["aim"] = step_aim(entry["workload"], report["precision"], batch, report["instructions"])
        entry["held"] = is_held(entry["ratio"], entry["aim"])
    tables["bounds"] = bounds(measured, tables["training"], batch)
    for size in sorted({entry["batch"] for entry in measured if entry["phase"] == "inference"}):
        tables[f"inference {size}"] = rows("inference", size)
    tables["epoch"] = rows("epoch", batch)
    for entry in tables["epoch"]:
        over = medians(values(measured, "epoch_over_steps", workload=entry["workload"], phase="epoch", batch=batch))
        entry["over_steps"] = over
        entry["aim"] = AUGMENTED_EPOCH_AIM if entry["workload"] in AUGMENTED else EPOCH_AIM
        entry["held"] = is_held(over.get(OURS), entry["aim"])
    tables["memory"] = rows("training", batch, "peak_memory_bytes", against="pytorch")
    for entry in tables["memory"]:
        entry["aim"] = MEMORY_AIM
        entry["held"] = is_held(entry["ratio"], MEMORY_AIM)
    tables["first step"] = rows("training", batch, "first_step_s")
    for entry in tables["first step"]:
        entry["aim"] = FIRST_STEP_AIMS.get(entry["workload"])
        entry["held"] = is_held(entry["medians"].get(OURS), entry["aim"])
    return tables


def bounds(measured, steps, batch):
    """For each of the rows `steps`: the milliseconds that Apus' kernels would take at this machine's speed, what of it
    they reach (in the same process), and what the aim allows."""
    rows = []
    for entry in steps:
        where = {"workload": entry["workload"], "phase": PROFILE, "batch": batch}
        bound, taken = (values(measured, figure, **where).get(OURS, {}) for figure in ("bound_ms", "profiled_ms"))
        if not bound:
            continue
        other = entry["medians"].get(entry["other"])
        rows.append({
            "workload": entry["workload"], "step": statistics.median(taken.values()),
            "bound": statistics.median(bound.values()),
            "reached": statistics.median(bound[number] / taken[number] for number in bound),
            "allowed": other and entry["aim"] * other})
    return rows


def drawn_rows(report):
    """The training steps that a picture can show: those with a time of Apus, which all others are divided by."""
    return [entry for entry in summary(report)["training"] if OURS in entry["medians"]]


def missing_phases(lines, phases, batches):
    """The phases that lack a line for one of their batch sizes; `batches` has these by phase."""
    found = {(line["phase"], line["batch"]) for line in lines}
    return [phase for phase in phases if any((phase, batch) not in found for batch in batches[phase])]


def problems(report):
    """What is wrong with a report that was read from a file; empty where nothing is."""
    if not isinstance(report, dict):
        return ["not an object"]
    kinds = {
        "date": str, "machine": dict, "threads": int, "rounds": int, "precision": str, "instructions": str,
        "batch": int, "workloads": list, "systems": dict, "measurements": list, "failures": list}
    wrong = [f"'{key}' is missing or of another type" for key, kind in kinds.items()
             if not isinstance(report.get(key), kind)]
    if wrong:
        return wrong
    for number, entry in enumerate(report["measurements"]):
        for key in ("system", "round", "workload", "phase", "batch", "ms_per_step"):
            if key not in entry:
                wrong.append(f"measurement {number} has no '{key}'")
        if entry.get("system") not in report["systems"]:
            wrong.append(f"measurement {number} is of a system that is not listed")
        if not (isinstance(entry.get("ms_per_step"), (int, float)) and 0 < entry["ms_per_step"] < float("inf")):
            wrong.append(f"measurement {number} has no time above 0")
    return wrong
