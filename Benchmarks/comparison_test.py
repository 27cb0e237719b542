"""Tests of what Benchmarks/compare makes of its measurements; no other system is needed:

python3 -m unittest discover -s Benchmarks -p '*_test.py'
"""

import argparse
import copy
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from modules import apus, comparison, comparison_report, environments, installed, machine, process, systems

# The scripts of the other systems share this; it needs none of them.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "peers"))
import harness


def measurement(system, number, milliseconds, workload="mlp", phase="training", batch=128, **figures):
    return {
        "system": system, "round": number, "workload": workload, "phase": phase, "batch": batch,
        "ms_per_step": milliseconds, **figures}


def report(*measurements, **changes):
    return {
        "date": "2000-01-01 00:00 UTC", "command": "Benchmarks/compare", "threads": 2, "rounds": 3,
        "machine": {"processor": "P", "cores": 2, "instruction_set": "AVX2", "system": "Linux x86_64"},
        "precision": "float32", "instructions": "native", "batch": 128, "workloads": ["perceptron", "mlp", "cam"],
        "systems": {
            "apus": {"name": "Apus", "version": "apus 1", "installed_bytes": 60_000_000},
            "pytorch": {"name": "PyTorch", "installed_bytes": 5e9, "for_graphics_cards_bytes": 4.5e9},
            "jax": {"name": "JAX"}},
        "measurements": list(measurements), "failures": [], **changes}


class RatioTests(unittest.TestCase):
    # Rounds 0 and 2 are shared: 1/4 and 3/6; their median is 0.375. The medians' ratio would be 2/6.
    def test_ratio_is_of_the_same_round(self):
        found = {"apus": {0: 1, 1: 2, 2: 3}, "pytorch": {0: 4, 2: 6, 3: 100}}
        self.assertEqual(comparison.ratio(found, "apus", "pytorch"), 0.375)

    def test_ratio_without_a_common_round(self):
        self.assertIsNone(comparison.ratio({"apus": {0: 1}, "jax": {1: 1}}, "apus", "jax"))
        self.assertIsNone(comparison.ratio({"apus": {0: 1}}, "apus", "jax"))

    def test_fastest_other(self):
        self.assertEqual(comparison.fastest_other({"apus": 1, "pytorch": 3, "jax": 2}), "jax")
        self.assertEqual(comparison.fastest_other({"pytorch": 3, "jax": 3}), "pytorch")
        self.assertIsNone(comparison.fastest_other({"apus": 1}))

    # Medians 2, 9 and 5: JAX is the fastest other although PyTorch has the best single time.
    def test_row(self):
        found = comparison.row(
            [measurement("apus", number, time) for number, time in enumerate([1, 2, 3])]
            + [measurement("pytorch", number, time) for number, time in enumerate([0.5, 9, 9.5])]
            + [measurement("jax", number, time) for number, time in enumerate([4, 5, 6])]
            + [measurement("jax", 0, 0.1, workload="cam"), measurement("jax", 0, 0.1, phase="inference"),
               measurement("jax", 0, 0.1, batch=32)], "mlp", "training", 128)
        self.assertEqual(found["medians"], {"apus": 2, "pytorch": 9, "jax": 5})
        self.assertEqual((found["other"], found["ratio"]), ("jax", 0.4))


class AimTests(unittest.TestCase):
    def test_steps(self):
        self.assertEqual(comparison.step_aim("mlp", "float32", 128, "native"), 0.65)
        self.assertEqual(comparison.step_aim("mlp", "bfloat16", 128, "native"), 0.45)
        for changed in [("gru", "float32", 128, "native"), ("mlp", "float32", 32, "native"),
                        ("mlp", "float32", 128, "avx2")]:
            self.assertEqual(comparison.step_aim(*changed), 1)

    def test_every_experiment_has_one(self):
        for precision in ["float32", "bfloat16"]:
            self.assertEqual(list(comparison.STEP_AIMS[precision]), systems.EXPERIMENTS)
        self.assertEqual(list(comparison.STEP_AIMS), systems.PRECISIONS)

    def test_held(self):
        self.assertIs(comparison.is_held(0.65, 0.65), True)
        self.assertIs(comparison.is_held(0.651, 0.65), False)
        self.assertIsNone(comparison.is_held(None, 0.65))
        self.assertIsNone(comparison.is_held(0.1, None))
        self.assertIs(comparison.is_held(float("nan"), 0.65), False)

    # 65 / 100 is held, 51 / 100 of the perceptron is not; 110 MB of 400 are 0.275; cam's epoch may take 10 % more.
    def test_summary(self):
        found = comparison.summary(report(
            measurement("apus", 0, 65, peak_memory_bytes=110e6, first_step_s=0.31),
            measurement("jax", 0, 100, peak_memory_bytes=50e6),
            measurement("pytorch", 0, 200, peak_memory_bytes=400e6, first_step_s=3),
            measurement("apus", 0, 51, workload="perceptron", first_step_s=0.9),
            measurement("jax", 0, 100, workload="perceptron"),
            measurement("apus", 0, 9, phase="epoch", epoch_over_steps=1.06),
            measurement("apus", 0, 9, phase="epoch", workload="cam", epoch_over_steps=1.06),
            measurement("apus", 0, 9, phase="inference", batch=1)))
        held = {name: {row["workload"]: row["held"] for row in rows if "held" in row} for name, rows in found.items()}
        self.assertEqual(held["training"], {"perceptron": False, "mlp": True})
        self.assertEqual(held["epoch"], {"mlp": False, "cam": True})
        self.assertEqual(held["memory"]["mlp"], False)
        self.assertEqual(held["first step"], {"perceptron": None, "mlp": False})
        # Memory is held against PyTorch, not against the least.
        memory = {row["workload"]: (row["other"], row["ratio"]) for row in found["memory"]}
        self.assertEqual(memory, {"mlp": ("pytorch", 0.275)})
        self.assertEqual([row["workload"] for row in found["inference 1"]], ["mlp"])

    # Reached: 1/2, 2/4 and 3/3 of the time; the median is 0.5, and the medians' ratio would be 2/3. The aim allows
    # 0.65 x 10.
    def test_bounds(self):
        found = comparison.summary(report(
            measurement("apus", 0, 5), measurement("jax", 0, 10), measurement("apus", 0, 6, workload="perceptron"),
            *[measurement("apus", number, 5, phase="profile", bound_ms=bound, profiled_ms=taken)
              for number, (bound, taken) in enumerate([(1, 2), (2, 4), (3, 3)])],
            measurement("apus", 0, 6, workload="perceptron", phase="profile", bound_ms=4, profiled_ms=5)))["bounds"]
        self.assertEqual(found, [
            {"workload": "perceptron", "step": 5, "bound": 4, "reached": 0.8, "allowed": None},
            {"workload": "mlp", "step": 3, "bound": 2, "reached": 0.5, "allowed": 6.5}])

    def test_without_a_profile(self):
        self.assertEqual(comparison.summary(report(measurement("apus", 0, 5)))["bounds"], [])


class SchemaTests(unittest.TestCase):
    def test_whole(self):
        self.assertEqual(comparison.problems(report(measurement("apus", 0, 1))), [])

    def test_wrong(self):
        self.assertEqual(comparison.problems([]), ["not an object"])
        without = report()
        del without["threads"]
        self.assertEqual(comparison.problems(without), ["'threads' is missing or of another type"])
        for time in [0, -1, float("nan"), float("inf"), "1", None]:
            self.assertEqual(
                comparison.problems(report(measurement("apus", 0, time))), ["measurement 0 has no time above 0"])
        self.assertEqual(
            comparison.problems(report(measurement("torch", 0, 1))),
            ["measurement 0 is of a system that is not listed"])
        entry = measurement("apus", 0, 1)
        del entry["phase"]
        self.assertEqual(comparison.problems(report(entry)), ["measurement 0 has no 'phase'"])


class PageTests(unittest.TestCase):
    def setUp(self):
        self.report = report(
            measurement("apus", 0, 0.05, workload="perceptron"), measurement("jax", 0, 0.1, workload="perceptron"),
            measurement("pytorch", 0, 0.25, workload="perceptron"),
            measurement("apus", 0, 80, workload="cam", peak_memory_bytes=123456789),
            measurement("pytorch", 0, 123.4, workload="cam", peak_memory_bytes=1e9))

    def test_steps(self):
        rows = comparison.summary(self.report)["training"]
        self.assertEqual(comparison_report.steps_table(self.report, rows).splitlines(), [
            "|  | Apus | PyTorch | JAX | fastest other | Apus / fastest other | aim: at most |  |",
            "|---|---|---|---|---|---|---|---|",
            "| perceptron | 0.050 | 0.250 | 0.100 | JAX | 0.50 | 0.50 | held |",
            "| cam | 80.0 | 123 |  | PyTorch | 0.65 | 0.50 | **not held** |"])

    def test_page(self):
        self.report["failures"] = [{"system": "jax", "workload": "cam", "reason": "took more than 3 s"},
                                   {"system": "jax", "workload": "mlp", "phases": ["training", "epoch"],
                                    "reason": "no result"}]
        self.report["measurements"].append(
            measurement("apus", 0, 81, workload="cam", phase="profile", bound_ms=40, profiled_ms=80))
        page = comparison_report.page(self.report, "picture.svg")
        for part in ["Command: `Benchmarks/compare`", "P, 2 cores", "Apus: apus 1.", "(picture.svg)",
                     "| cam | 123 | 1000 | 0.12 | 0.25 | held |", "| cam | 80.0 | 40.0 | 50 % | 61.7 |",
                     "| PyTorch | 5000 | 4500 |",
                     "- JAX, cam: took more than 3 s", "- JAX, mlp (training, epoch): no result"]:
            self.assertIn(part, page)
        self.assertNotIn("An epoch", page)
        self.assertNotIn("A prediction", page)

    def test_numbers(self):
        for value, text in [(0.0512, "0.051"), (1.476, "1.48"), (10.04, "10.0"), (176.4, "176"), (None, "")]:
            self.assertEqual(comparison_report.milliseconds(value), text)
        self.assertEqual(comparison_report.percents(1.0461), "+4.6 %")
        self.assertEqual(comparison_report.percents(0.99), "-1.0 %")

    def test_readme(self):
        part = comparison_report.readme_part(self.report, "docs/a.md", "docs/a.svg")
        text = f"before\n{comparison_report.START}\nold\n{comparison_report.END}\nafter\n"
        self.assertEqual(comparison_report.replaced(text, part), f"before\n{part}\nafter\n")
        # It can be done again.
        self.assertEqual(comparison_report.replaced(comparison_report.replaced(text, part), part),
                         f"before\n{part}\nafter\n")
        for wrong in ["", text + text, f"{comparison_report.END}{comparison_report.START}"]:
            with self.assertRaises(ValueError):
                comparison_report.replaced(wrong, part)

    def test_readme_has_the_marks(self):
        readme = (pathlib.Path(__file__).resolve().parents[1] / "README.md").read_text()
        self.assertIn("x", comparison_report.replaced(readme, "x"))

    def test_command_has_no_places(self):
        self.assertEqual(
            comparison_report.command_line("Benchmarks/compare", ["mlp", "--environments", "/opt/some/folder/", "-x"]),
            "Benchmarks/compare mlp --environments folder -x")
        self.assertEqual(
            comparison_report.command_line(
                "x", ["--apus=/opt/a/apus", "--out", "../../somewhere/b", "--torch-index", "https://host/simple",
                      "--torch-index=https://host/simple", "~/c/", "--rounds=2", "gru"]),
            "x --apus=apus --out b c --rounds=2 gru")
        self.assertEqual(comparison_report.command_line("x", ["mlp", "--torch-index"]), "x mlp")

    def test_reasons_have_no_places(self):
        for text, expected in [
            ("No module named 'torch'", "No module named 'torch'"),
            ("cannot open /opt/some/folder/a.so: gone", "cannot open a.so: gone"),
            ("[Errno 2] No such file: '/opt/x/y'", "[Errno 2] No such file: 'y'"),
            ("Could not reach https://host.example/simple, host", "Could not reach an address, host"),
            ("from http://host:1/ or /a/b/", "from an address or "), ("12 ms/step", "12 ms/step"),
        ]:
            self.assertEqual(comparison_report.without_places(text), expected)

    def test_rounds(self):
        self.assertIn("2 threads; 3 rounds; float32", comparison_report.heading(self.report))
        self.report |= {"rounds": 1, "is_interrupted": True}
        self.assertIn("; 1 round, the last one not whole: it was ended by hand; float32",
                      comparison_report.heading(self.report))

    def test_instructions(self):
        self.assertNotIn("AVX2 by", comparison_report.heading(self.report))
        self.report["instructions"] = "avx2"
        self.assertIn("batch size 128; instructions held to AVX2 by ONEDNN_MAX_CPU_ISA=AVX2, "
                      "ATEN_CPU_CAPABILITY=avx2, MKL_ENABLE_INSTRUCTIONS=AVX2.",
                      comparison_report.heading(self.report))

    def test_compiled_before(self):
        self.assertNotIn("keeps what it has compiled", comparison_report.page(self.report))
        self.report["systems"]["pytorch-compiled"] = {"name": "PyTorch compiled"}
        self.report["measurements"].append(measurement("pytorch-compiled", 0, 9, first_step_s=3.0))
        self.assertIn("PyTorch keeps what it has compiled", comparison_report.page(self.report))

    # Without Apus there is nothing to divide by.
    def test_drawn_rows(self):
        self.assertEqual([row["workload"] for row in comparison.drawn_rows(self.report)], ["perceptron", "cam"])
        self.assertEqual(comparison.drawn_rows(report(measurement("jax", 0, 1))), [])
        self.assertEqual(comparison.drawn_rows(report(measurement("apus", 0, 1, phase="inference"))), [])

    def test_readme_without_a_picture(self):
        part = comparison_report.readme_part(self.report, "docs/a.md")
        self.assertNotIn("![", part)
        self.assertIn("(docs/a.md)", part)


class SystemTests(unittest.TestCase):
    def options(self, **changes):
        return argparse.Namespace(**{
            "apus": pathlib.Path("apus"), "threads": 2, "precision": "float32", "instructions": "native", "batch": 128,
            "environments": pathlib.Path("folder"), **changes})

    def test_commands_of_apus(self):
        found = systems.commands("apus", "mlp", ["training", "inference"], self.options(batch=32))
        self.assertEqual([" ".join(command) for command in found], [
            "apus bench mlp --threads 2 --phase training --batch-size 32",
            "apus bench mlp --threads 2 --phase inference --batch-size 1",
            "apus bench mlp --threads 2 --phase inference --batch-size 128",
            "apus bench mlp --threads 2 --profile --batch-size 32"])
        self.assertEqual(len(systems.commands("apus", "mlp", ["epoch"], self.options())), 1)
        found = systems.commands("apus", "mlp", ["training"], self.options(precision="bfloat16"))
        self.assertEqual(found[0][-6:-4], ["--precision", "bfloat16"])

    def test_other_systems_run_in_float32_beside_float32_fast(self):
        for name in ["float32", "bfloat16", "float32-fast"]:
            (command,) = systems.commands("jax", "mlp", ["training"], self.options(precision=name))
            self.assertEqual(command[command.index("--precision") + 1], name.removesuffix("-fast"))

    def test_scripts_are_there(self):
        for name, system in systems.SYSTEMS.items():
            if system.environment:
                self.assertIn(system.environment, environments.CONTENTS)
                (command,) = systems.commands(name, "mlp", ["training"], self.options())
                self.assertEqual(command[0], f"folder/{system.environment}/bin/python")
                self.assertTrue(pathlib.Path(command[1]).exists(), command[1])

    def test_defaults(self):
        self.assertEqual(systems.default_names("float32", "native"), list(systems.SYSTEMS))
        self.assertEqual(systems.default_names("float32", "avx2"), ["apus", "pytorch", "pytorch-compiled"])
        self.assertNotIn("mlx", systems.default_names("bfloat16", "native"))

    def test_instructions(self):
        limited = systems.environment(self.options(instructions="avx2", threads=3))
        for name, value in systems.AVX2_LIMITS.items():
            self.assertEqual(limited[name], value)
        # What was compiled for other instructions is not taken.
        native = systems.environment(self.options())
        self.assertNotEqual(limited["TORCHINDUCTOR_CACHE_DIR"], native["TORCHINDUCTOR_CACHE_DIR"])
        self.assertEqual((limited["THREADS"], limited["OMP_NUM_THREADS"]), ("3", "3"))

    def test_names_of_results(self):
        whole = {"workloads": systems.EXPERIMENTS, "phases": systems.PHASES, "threads": machine.core_count(),
                 "rounds": systems.ROUNDS, "systems": list(systems.SYSTEMS)}
        limited = ["apus", "pytorch", "pytorch-compiled"]
        for changes, expected in [
            ({}, "compare"), ({"rounds": 5}, "compare"), ({"rounds": 1}, "compare-rounds-1"),
            ({"workloads": ["gru"], "rounds": 1}, "compare-gru-rounds-1"), ({"batch": 32}, "compare-batch-32"),
            ({"workloads": systems.OTHER_WORKLOADS}, "compare-others"), ({"phases": ["training"]}, "compare-training"),
            ({"phases": systems.PHASES[::-1]}, "compare"), ({"systems": ["pytorch", "keras"]}, "compare-pytorch-keras"),
            ({"instructions": "avx2", "systems": limited}, "compare-avx2"),
            ({"systems": limited}, "compare-apus-pytorch-pytorch-compiled"),
            ({"precision": "bfloat16", "systems": systems.default_names("bfloat16", "native")}, "compare-bfloat16"),
            ({"threads": machine.core_count() + 1}, f"compare-threads-{machine.core_count() + 1}"),
        ]:
            self.assertEqual(systems.name_of_results(self.options(**{**whole, **changes})), expected)

    def test_missing_phases(self):
        lines = [measurement("jax", 0, 1, batch=32), measurement("jax", 0, 1, phase="inference", batch=1)]
        batches = systems.batches(self.options(batch=32))
        self.assertEqual(comparison.missing_phases(lines, systems.PHASES, batches), ["inference", "epoch"])
        lines.append(measurement("jax", 0, 1, phase="inference", batch=128))
        self.assertEqual(comparison.missing_phases(lines, ["training", "inference"], batches), [])

    def test_environment_that_is_not_there(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertFalse(environments.is_ready(pathlib.Path(folder), "jax-env"))


class SizeTests(unittest.TestCase):
    def test_libraries(self):
        listed = ("\tlinux-vdso.so.1 (0x1)\n\tlibdnnl.so.2 => /lib/libdnnl.so.2 (0x2)\n"
                  "\tlibc.so.6 => /lib/libc.so.6 (0x3)\n\tlibgone.so => not found\n")
        self.assertEqual(installed.libraries(listed), [pathlib.Path("/lib/libdnnl.so.2")])
        # As otool -L prints.
        listed = ("/x/apus:\n\t/opt/dnnl/lib/libdnnl.3.dylib (compatibility version 3.0.0, current version 3.7.0)\n"
                  "\t/usr/lib/libSystem.B.dylib (compatibility version 1.0.0, current version 1351.0.0)\n"
                  "\t@rpath/libx.dylib (compatibility version 0.0.0, current version 0.0.0)\n")
        self.assertEqual(installed.libraries(listed), [pathlib.Path("/opt/dnnl/lib/libdnnl.3.dylib")])

    def test_program(self):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / "a"
            program.write_bytes(b"12345")
            # No tool; and one that lists nothing.
            self.assertEqual(installed.of_program(program, [folder + "/lister"]), {})
            self.assertEqual(installed.of_program(program, [sys.executable, "-c", ""]), {"installed_bytes": 5})

    # 3 + 5 + 7 bytes, of which 5 + 7 are for graphics cards.
    def test_environment(self):
        with tempfile.TemporaryDirectory() as folder:
            packages = pathlib.Path(folder) / "lib/python3.99/site-packages"
            for path, size in [("torch/lib/a.so", 3), ("torch/lib/libtorch_cuda.so", 5), ("nvidia/x/b.so", 7)]:
                (packages / path).parent.mkdir(parents=True, exist_ok=True)
                (packages / path).write_bytes(b"x" * size)
            self.assertEqual(
                installed.of_environment(folder), {"installed_bytes": 15, "for_graphics_cards_bytes": 12})


class HarnessTests(unittest.TestCase):
    """The time of each call is made up: `now` goes on by what the call takes."""

    def setUp(self):
        self.now, self.calls = 0.0, 0
        clock = harness.time.perf_counter
        harness.time.perf_counter = lambda: self.now
        self.addCleanup(setattr, harness.time, "perf_counter", clock)

    def call(self, seconds):
        def body():
            self.now += seconds
            self.calls += 1
        return body

    # Blocks of 1, 1, 2 and 4 calls to warm up, as the last one takes more than 30 ms; then 4 of 0.3 s / 10 ms = 30.
    def test_blocks(self):
        self.assertAlmostEqual(harness.best_milliseconds(self.call(0.01), lambda: None), 10)
        self.assertEqual(self.calls, 8 + 4 * 30)

    # Two calls, where one takes 8 s.
    def test_slow_call(self):
        self.assertAlmostEqual(harness.best_milliseconds(self.call(8), lambda: None), 8000)
        self.assertEqual(self.calls, 2)

    # A first call of 2 s, then 10 ms each: a block has 30 calls all the same.
    def test_disturbed_estimate(self):
        def body():
            self.now += 2 if self.calls == 0 else 0.01
            self.calls += 1
        self.assertAlmostEqual(harness.best_milliseconds(body, lambda: None), 10)
        self.assertEqual(self.calls, 8 + 4 * 30)

    def test_no_time(self):
        self.assertEqual(harness.best_milliseconds(self.call(0), lambda: None), 0)
        self.assertGreaterEqual(self.calls, 4 * harness.MOST_CALLS)

    def test_what_is_waited_for_counts(self):
        self.assertAlmostEqual(harness.best_milliseconds(lambda: None, self.call(0.5)), 500)

    # Epochs of 0.55 s over steps of 0.5 s; 4 of them are 2 seconds, and the first one warms up.
    def test_epoch(self):
        found = harness.epoch_figures(self.call(0.55), self.call(0.5), 10)
        self.assertEqual(found, {
            "ms_per_step": 55.0, "ms_per_step_alone": 50.0, "epoch_over_steps": 1.1, "step_count": 10})
        self.assertEqual(self.calls, 2 + 2 * 4)

    def test_process(self):
        if pathlib.Path("/proc/self/stat").exists():
            self.assertGreater(harness.seconds_since_start(), 0)
        else:
            self.assertIsNone(harness.seconds_since_start())
        self.assertGreater(harness.peak_memory() or 1e7, 1e6)


class ProcessTests(unittest.TestCase):
    def run_python(self, program, limit=60):
        return process.run([sys.executable, "-c", program], limit, apus.environment())

    def test_output_and_status(self):
        self.assertEqual(self.run_python("import sys; print('a'); sys.exit('b')"), ("a\n", "b\n", 1))
        self.assertEqual(self.run_python("import os; os.kill(os.getpid(), 9)"), ("", "", -9))
        with self.assertRaises(OSError):
            process.run(["/nowhere/python"], 60, {})

    # What it said is kept, and what it started does not go on: that would hold the output open for a minute.
    def test_limit(self):
        program = "echo '{\"a\": 1}'; printf '{\"cut'; sleep 60 & sleep 60"
        output, _, status = process.run(["sh", "-c", program], 2, apus.environment())
        self.assertIsNone(status)
        self.assertEqual(apus.json_lines(output), [{"a": 1}])


class ScriptTests(unittest.TestCase):
    """The script itself, where it needs no other system."""

    SCRIPT = pathlib.Path(__file__).resolve().parent / "compare"

    def refusal(self, *words):
        done = subprocess.run([sys.executable, self.SCRIPT, *words], capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr.strip().splitlines()[-1]

    def test_unknown_workload(self):
        self.assertIn("no workload 'mpl'; there are perceptron, mlp", self.refusal("mpl"))

    def test_rounds(self):
        self.assertIn("must be 1 or more", self.refusal("--rounds", "0"))

    def test_foreign_results(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "a.json"
            path.write_text(json.dumps({"date": "x"}))
            self.assertIn("is no comparison: 'machine' is missing", self.refusal("--from", path))
            path.write_text("{")
            self.assertIn("cannot be read", self.refusal("--from", path))


class CopyTests(unittest.TestCase):
    def test_summary_leaves_the_report_as_it_was(self):
        before = report(measurement("apus", 0, 1), measurement("jax", 0, 2))
        after = copy.deepcopy(before)
        comparison.summary(after)
        self.assertEqual(before, after)


if __name__ == "__main__":
    unittest.main()
