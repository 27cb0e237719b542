"""A comparison as Markdown: the page with all tables, and the README's part."""

import re
import shlex

from . import comparison, machine, systems

START, END = "<!-- comparison -->", "<!-- end of the comparison -->"


def milliseconds(value):
    """Three digits that count, and at least those before the point."""
    if value is None:
        return ""
    digits = next((digits for limit, digits in [(1, 3), (10, 2), (100, 1)] if value < limit), 0)
    return f"{value:.{digits}f}"


def share(value):
    return "" if value is None else f"{value:.2f}"


def megabytes(value):
    return "" if value is None else f"{value / 1e6:.0f}"


def seconds(value):
    return "" if value is None else f"{value:.2f}"


def percents(value):
    """Of a ratio: by how much it is above 1."""
    return "" if value is None else f"{(value - 1) * 100:+.1f} %"


def mark(held):
    return {True: "held", False: "**not held**", None: ""}[held]


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def names(report, rows):
    """The systems that have a figure in some row, in their order."""
    return {
        key: entry["name"] for key, entry in report["systems"].items()
        if any(key in row["medians"] for row in rows)}


def figures(report, rows, shown, extra_head, extra):
    """A table of medians by system, with columns behind them."""
    columns = names(report, rows)
    head = ["", *columns.values(), *extra_head]
    return table(head, [
        [row["workload"], *[shown(row["medians"].get(key)) for key in columns], *extra(row)] for row in rows])


def name_of(report, key):
    return report["systems"][key]["name"] if key else ""


def steps_table(report, rows):
    return figures(
        report, rows, milliseconds, ["fastest other", "Apus / fastest other", "aim: at most", ""],
        lambda row: [name_of(report, row["other"]), share(row["ratio"]), share(row["aim"]), mark(row["held"])])


def sizes_table(report):
    rows = []
    for entry in report["systems"].values():
        if entry.get("installed_bytes"):
            cards = entry.get("for_graphics_cards_bytes")
            rows.append([entry["name"], megabytes(entry["installed_bytes"]), megabytes(cards) if cards else ""])
    return table(["", "MB installed", "of these for graphics cards"], rows)


def heading(report):
    lines = [
        f"{report['date']}; {machine.sentence(report['machine'])}; {report['threads']} threads; "
        f"{rounds(report)}; {report['precision']}; batch size {report['batch']}{instructions(report)}."]
    lines.append("; ".join(
        f"{entry['name']}: {entry['version']}" for entry in report["systems"].values() if entry.get("version")) + ".")
    if report.get("findings"):
        lines.append("; ".join(f"{name}: {value}" for name, value in report["findings"].items()) + ".")
    return "\n".join(lines)


def rounds(report):
    count = report["rounds"]
    return f"{count} round{'s' * (count != 1)}" + (
        ", the last one not whole: it was ended by hand" if report.get("is_interrupted") else "")


def instructions(report):
    if report["instructions"] != "avx2":
        return ""
    return "; instructions held to AVX2 by " + ", ".join(
        f"{name}={value}" for name, value in systems.AVX2_LIMITS.items())


def page(report, picture=None):
    """The whole of it."""
    tables = comparison.summary(report)
    parts = [
        "# Apus beside other systems",
        f"Command: `{report['command']}`. In each round every system is measured once, in an order that changes; "
        "figures are medians over the rounds, ratios are medians of the rounds' ratios.",
        heading(report)]
    if picture:
        parts.append(f"![a training step's time in other systems, Apus' being 1]({picture})")
    if tables["training"]:
        parts += [
            "## A training step, ms",
            "Forward, backward, the optimizer's update and the loss read back, data in memory. A round's time is that "
            "of the best of 4 blocks of 0.3 s.",
            steps_table(report, tables["training"])]
    if tables["bounds"]:
        parts += [
            "## What bounds Apus' step, ms",
            "The step once more, kernel by kernel (`apus bench --profile`), in the same rounds. At full speed: what "
            "the kernels would take together if each did its operations with all multiply-adds that this machine "
            "makes, or a pass over as many bytes as it reads and writes, whichever takes longer, at the rates measured "
            "before and after. A plain sum's operations count where Winograd's filtering takes fewer.",
            table(["", "a step", "at full speed", "reached", "the aim allows"], [
                [row["workload"], milliseconds(row["step"]), milliseconds(row["bound"]),
                 f"{row['reached'] * 100:.0f} %", milliseconds(row["allowed"])] for row in tables["bounds"]])]
    for name, rows in tables.items():
        if name.startswith("inference") and rows:
            parts += [
                f"## A prediction, batch size {name.split()[1]}, ms",
                figures(report, rows, milliseconds, ["fastest other", "Apus / fastest other"],
                        lambda row: [name_of(report, row["other"]), share(row["ratio"])])]
    if tables["epoch"]:
        parts += [
            "## An epoch with its input pipeline, ms a step",
            "Samples are bytes in memory; they are shuffled (but for perceptron and mlp), gathered, converted, and for "
            "cam flipped and zoomed. Steps alone are those of the same run on a batch that is ready.",
            figures(report, tables["epoch"], milliseconds, ["fastest other", "Apus / fastest other"],
                    lambda row: [name_of(report, row["other"]), share(row["ratio"])]),
            "What an epoch takes longer than its steps alone:",
            figures(
                report, [{**row, "medians": row["over_steps"]} for row in tables["epoch"]], percents,
                ["aim for Apus: at most", ""], lambda row: [percents(row["aim"]), mark(row["held"])])]
    if tables["memory"]:
        parts += [
            "## Peak memory of training steps, MB",
            "The most that the process had in memory, code and libraries included.",
            figures(report, tables["memory"], megabytes, ["Apus / PyTorch", "aim: at most", ""],
                    lambda row: [share(row["ratio"]), share(row["aim"]), mark(row["held"])])]
    if tables["first step"]:
        parts += [
            "## From the start of the process to the end of the first training step, s",
            *(["PyTorch keeps what it has compiled for later processes: after the first round, PyTorch compiled loads "
               "it. With nothing kept its first step takes longer."]
              if any("pytorch-compiled" in row["medians"] for row in tables["first step"]) else []),
            figures(report, tables["first step"], seconds, ["aim for Apus: at most", ""],
                    lambda row: [seconds(row["aim"]), mark(row["held"])])]
    parts += [
        "## What must be installed",
        "Apus: the program and all libraries that it loads (building it needs the Swift toolchain). The others: their "
        "virtual environment, without Python itself.", sizes_table(report)]
    if report["failures"]:
        parts += ["## What could not be measured", "\n".join(
            f"- {name_of(report, entry['system'])}, {entry['workload']}"
            + (f" ({', '.join(entry['phases'])})" if entry.get("phases") else "") + f": {entry['reason']}"
            for entry in report["failures"])]
    return "\n\n".join(parts) + "\n"


def readme_part(report, page_path, picture_path=None):
    """The README's table: training steps, and the picture where there is one."""
    rows = comparison.summary(report)["training"]
    body = figures(
        report, rows, milliseconds, ["fastest other", "Apus / fastest other"],
        lambda row: [name_of(report, row["other"]), share(row["ratio"])])
    return "\n\n".join([
        START,
        f"A training step, batch size {report['batch']}, {report['precision']}: ms, medians of {rounds(report)} "
        f"in turn on {report['threads']} threads of {machine.sentence(report['machine'])}.",
        body,
        *([f"![a training step's time in other systems, Apus' being 1]({picture_path})"] if picture_path else []),
        f"Inference, epochs, memory, starting times, installed sizes, versions: [{page_path}]({page_path}).",
        END])


def replaced(text, part):
    """`text` with the part between the marks replaced. Raises ValueError where the marks are not there once each."""
    if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
        raise ValueError(f"the README must have {START} and {END} once each, in this order")
    before, rest = text.split(START)
    return before + part + rest.split(END)[1]


def command_line(program, words):
    """As it was given, without the places that paths on this machine lead to, and without a package index."""
    kept, rest = [program], list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name == "--torch-index":
            rest = rest if equals else rest[1:]
        else:
            kept.append(last_part(name) + equals + last_part(value))
    return shlex.join(kept)


def last_part(path):
    return path.rstrip("/").rpartition("/")[2]


def without_places(text):
    """What a program says, without addresses and without folders of this machine."""
    return re.sub(r"/\S*/", "", re.sub(r"\w+://[^\s'\",;)]+", "an address", text))
