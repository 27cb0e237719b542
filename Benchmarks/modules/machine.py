"""What a result depends on besides the programs: the date and the machine, in general terms."""

import datetime
import os
import pathlib
import platform
import subprocess

# From the widest to the narrowest; the first one that the processor has names it.
INSTRUCTION_SETS = [
    ("amx_bf16", "AVX-512 with AMX"), ("avx512_bf16", "AVX-512 with bfloat16"), ("avx512f", "AVX-512"),
    ("avx2", "AVX2"), ("sse4_2", "SSE4.2"), ("asimd", "NEON"),
]


def core_count():
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def processor_fields():
    """The first processor's fields in /proc/cpuinfo, by name; empty where there is no such file."""
    file = pathlib.Path("/proc/cpuinfo")
    lines = file.read_text().split("\n\n")[0].splitlines() if file.exists() else []
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def processor_name(fields):
    if platform.system() == "Darwin":
        return subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True).stdout.strip()
    name = fields.get("model name", platform.machine())
    numbers = [f"{field} {fields[field]}" for field in ("cpu family", "model") if field in fields]
    return f"{name} ({', '.join(numbers)})" if numbers else name


def instruction_set(fields):
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    return next((name for flag, name in INSTRUCTION_SETS if flag in flags), platform.machine())


def description():
    """A dictionary for a result file."""
    fields = processor_fields()
    return {
        "processor": processor_name(fields), "cores": core_count(), "instruction_set": instruction_set(fields),
        "system": f"{platform.system()} {platform.machine()}",
    }


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def sentence(machine):
    return f"{machine['processor']}, {machine['cores']} cores, {machine['instruction_set']}, {machine['system']}"
