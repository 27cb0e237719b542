"""Draws a comparison's training steps; a program of its own, for a Python with matplotlib: chart.py JSON SVG PNG."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from modules import comparison, comparison_report

COLORS = ["#d1495b", "#33658a", "#86bbd8", "#f6ae2d", "#6a994e", "#9d8189"]


def draw(report, files):
    rows = comparison.drawn_rows(report)
    systems = [key for key in report["systems"] if any(key in row["medians"] for row in rows)]
    matplotlib.rcParams["svg.hashsalt"] = "apus"
    matplotlib.rcParams["svg.fonttype"] = "none"
    figure, axes = pyplot.subplots(figsize=(max(6, 1.7 * len(rows)), 4.2))
    width = 0.84 / len(systems)
    for place, key in enumerate(systems):
        spots, heights, texts = [], [], []
        for number, row in enumerate(rows):
            if key in row["medians"]:
                spots.append(number + (place - (len(systems) - 1) / 2) * width)
                heights.append(row["medians"][key] / row["medians"][comparison.OURS])
                texts.append(row["medians"][key])
        bars = axes.bar(
            spots, heights, width * 0.92, label=report["systems"][key]["name"], color=COLORS[place % len(COLORS)])
        for bar, text in zip(bars, texts):
            axes.annotate(
                comparison_report.milliseconds(text), (bar.get_x() + bar.get_width() / 2, bar.get_height()), (0, 2),
                textcoords="offset points", ha="center", va="bottom", fontsize=6.5, rotation=90)
    axes.axhline(1, color="black", linewidth=0.7)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.5), high * 1.6)
    axes.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    axes.set_xticks(range(len(rows)), [row["workload"] for row in rows])
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("time over Apus' time (logarithmic)")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.suptitle(
        f"A training step, batch size {report['batch']}, {report['precision']}, {report['threads']} threads; "
        "figures above bars: ms", fontsize=9)
    axes.legend(ncols=len(systems), fontsize=7.5, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.08))
    figure.tight_layout()
    for file in files:
        figure.savefig(file, dpi=150, metadata={"Date": None} if file.endswith(".svg") else None)


if __name__ == "__main__":
    draw(json.loads(pathlib.Path(sys.argv[1]).read_text()), sys.argv[2:])
