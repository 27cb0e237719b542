"""What the scripts of the other systems share: what is timed, for how long, and how it is printed.

A system is an object with
  description   its name and versions
  workloads     the names of those that it knows
  training(name, batch)            -> a step, and what waits until all steps so far are done
  inference(name, batch)           -> a call, and what waits likewise
  epoch(name, batch, step_count)   -> an epoch of so many steps with its input pipeline, and as many steps whose
                                      batch is ready; None where there is no such pipeline
"""

import argparse
import json
import os
import pathlib
import sys
import time

# Steps an epoch: as many as MNIST gives, fewer where steps take long; as in `apus bench`.
EPOCH_STEPS = {"cnn": 100, "lstm": 100, "cam": 20}
MOST_EPOCH_STEPS = 468
# As in `apus bench`: blocks of calls, the calls in one at most, how long what warms up goes on, and from when on a call
# is so long that two are enough.
BLOCK_SECONDS, BLOCK_COUNT, MOST_CALLS = 0.3, 4, 100_000
WARM_UP_SECONDS, LONG_SECONDS = 0.03, 1


def thread_count():
    return int(os.environ.get("THREADS") or os.cpu_count())


def keep_to_threads():
    """Keeps this process to as many processors as it may have threads: for systems with no setting of their own."""
    if hasattr(os, "sched_setaffinity"):
        own = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, own[:thread_count()])


def options(modes, precisions, doc):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="default: all")
    parser.add_argument("--mode", choices=modes, default=modes[0])
    parser.add_argument("--precision", choices=precisions, default="float32")
    parser.add_argument("--phases", nargs="+", choices=["training", "inference", "epoch"], default=["training"])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--inference-batches", nargs="+", type=int, metavar="N", default=[1, 128])
    return parser.parse_args()


def measure(system, chosen):
    """Prints a line of JSON for each workload and phase, as `apus bench` does."""
    is_first = True
    for name in chosen.workloads or system.workloads:
        if name not in system.workloads:
            sys.exit(f"error: no workload '{name}'; there are {', '.join(system.workloads)}")

        def report(phase, batch, **figures):
            print(json.dumps({
                "peer": system.description, "workload": name, "phase": phase, "precision": chosen.precision,
                "mode": chosen.mode, "device": "cpu", "batch": batch, **figures}), flush=True)

        if "training" in chosen.phases:
            step, finish = system.training(name, chosen.batch)
            step()
            finish()
            seconds = seconds_since_start() if is_first else None
            figures = {} if seconds is None else {"first_step_s": round(seconds, 4)}
            figures["ms_per_step"] = round(best_milliseconds(step, finish), 4)
            report("training", chosen.batch, **figures, peak_memory_bytes=peak_memory())
            is_first = False
            del step, finish
        if "inference" in chosen.phases:
            for batch in chosen.inference_batches:
                call, finish = system.inference(name, batch)
                # The first call compiles.
                call()
                finish()
                report("inference", batch, ms_per_step=round(best_milliseconds(call, finish), 4))
        if "epoch" in chosen.phases:
            count = EPOCH_STEPS.get(name, MOST_EPOCH_STEPS)
            pair = system.epoch(name, chosen.batch, count)
            if pair:
                report("epoch", chosen.batch, **epoch_figures(*pair, count))


def best_milliseconds(call, finish):
    """Of a call, from the best of 4 blocks of calls that take about 0.3 s each, after short blocks to warm up; of a
    call that takes a second or more, the better of two. One call, which may compile, has been made before."""
    # Two by themselves: one of them may have been disturbed.
    estimate = min(timed(call, finish, 1), timed(call, finish, 1))
    if estimate >= LONG_SECONDS:
        return estimate * 1000
    count = 1
    while estimate * count < WARM_UP_SECONDS and count < MOST_CALLS:
        count = min(2 * count, MOST_CALLS)
        estimate = min(estimate, timed(call, finish, count))
    count = max(1, min(MOST_CALLS, round(BLOCK_SECONDS / max(estimate, 1e-9))))
    return min(timed(call, finish, count) for _ in range(BLOCK_COUNT)) * 1000


def timed(call, finish, count):
    """Seconds a call."""
    start = time.perf_counter()
    for _ in range(count):
        call()
    finish()
    return (time.perf_counter() - start) / count


def epoch_figures(epoch, steps, count):
    """Epochs and steps alone in turn, for 2 seconds of epochs but at least 3 (1 where one takes long)."""
    def seconds(body):
        start = time.perf_counter()
        body()
        return time.perf_counter() - start

    pairs = [(seconds(epoch), seconds(steps))]
    least = 3 if pairs[0][0] < 4 else 1
    pairs.clear()
    while sum(pair[0] for pair in pairs) < 2 or len(pairs) < least:
        pairs.append((seconds(epoch), seconds(steps)))
    ratios = sorted(whole / alone for whole, alone in pairs)
    return {
        "ms_per_step": round(min(pair[0] for pair in pairs) / count * 1000, 4),
        "ms_per_step_alone": round(min(pair[1] for pair in pairs) / count * 1000, 4),
        "epoch_over_steps": round((ratios[(len(ratios) - 1) // 2] + ratios[len(ratios) // 2]) / 2, 4),
        "step_count": count}


def seconds_since_start():
    """Since this process began, to a hundredth of a second; None where the system does not say when that was."""
    status = pathlib.Path("/proc/self/stat")
    if not status.exists():
        return None
    ticks = int(status.read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def peak_memory():
    """The most bytes that this process has had in memory so far, code and libraries included; None where unknown."""
    status = pathlib.Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)
