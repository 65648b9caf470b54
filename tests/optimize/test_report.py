"""Variants as a report: every figure stands beside what it is held against."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from rilaas.infer.session import Kernels
from rilaas.optimize.engine import Step
from rilaas.optimize.report import build_report
from rilaas.optimize.row import Row, baseline_of, eager_of, front_of, speedup
from rilaas.optimize.sensitivity import LayerError
from rilaas.report import Report
from tests.optimize.report_rows import PRUNED, row, usual


@pytest.fixture(scope="module")
def rows():
    return usual()


@pytest.fixture(scope="module")
def report(rows):
    return build_report(
        rows,
        subject="local/lane-following:1",
        front=("max",),
        deadline_s=3e-4,
        absent={"cuda/tensorrt/fp16": "there is no NVIDIA card"},
        sensitivity=[
            LayerError("conv_1", "Conv", 10, 40, 100, 1e-5, 2e-5),
            LayerError("fc", "Gemm", 9, 36, 9, 1e-6, 0.0),
        ],
        command=["rilaas", "optimize", "lane-following"],
        seeds=[0],
    )


def table(report, title):
    return next(each for each in report.tables if each.title == title)


def cell(report, title, variant, column):
    found = table(report, title)
    (line,) = (each for each in found.rows if str(each[0]).removesuffix(" *") == variant)
    return line[found.columns.index(column)]


def notes(report, variant):
    return " ".join(words for name, words in table(report, "Notes").rows if name == variant)


def test_the_best_variant_stands_in_the_summary_with_its_price(report):
    assert "of 6 variants max (cpu/openvino/int8) is the best" in report.summary
    assert "16.0 [16.0-16.0] times as fast as the float model on torch eager" in report.summary
    assert "13.3 times as small" in report.summary
    assert "loses 0.2" in report.summary
    assert "1 failed the gate: default ranges" in report.summary


def test_a_fast_variant_that_fails_its_gate_is_never_the_best_and_the_report_fails(report, rows):
    assert report.kind == "optimization"
    assert report.verdict == "failed"
    kept = [each for each in rows if not each.violations]
    assert build_report(kept, subject="m").verdict == "passed"
    assert build_report([row("float", recipe=False), row("mine")], subject="m").verdict == "measured"


def test_where_no_variant_keeps_its_gate_that_is_said(rows):
    failed = [each for each in rows if each.violations]
    words = build_report([rows[0], *failed], subject="m").summary
    assert "1 variant, which does not keep its gate: default ranges" in words


def test_speed_is_told_against_torch_eager_and_against_the_own_runtime_and_both_are_named(report):
    assert cell(report, "Variants", "max", "× torch eager").startswith("16.00 [")
    assert cell(report, "Variants", "float", "× torch eager").startswith("2.00 [")
    assert "Speed against paper.torch.baseline on cpu/torch/fp32" in table(report, "Variants").note
    assert cell(report, "Variants in detail", "paper.torch.local_prune", "× own runtime").startswith("1.01 [")
    assert cell(report, "Variants in detail", "paper.torch.local_prune", "that is") == "paper.torch.baseline"
    assert cell(report, "Variants in detail", "balanced", "that is") == "-"  # nobody measured float on openvino


def test_without_torch_eager_speed_is_told_against_the_float_model_by_name(rows):
    found = build_report([each for each in rows if each.name != "paper.torch.baseline"], subject="m")
    assert "× float" in table(found, "Variants").columns
    assert "speedup_over_torch_eager" not in found.metrics
    assert found.metrics["speedup"].mean == pytest.approx(8.0)


def test_times_are_told_as_percentiles_and_the_error_as_a_ratio_with_its_interval(report, rows):
    assert cell(report, "Variants", "balanced", "p50 [ms]") == pytest.approx(0.160)
    assert cell(report, "Variants", "balanced", "MSE ratio") == "1.010 [1.010-1.010]"  # pairs: the noise cancels
    assert cell(report, "Variants", "balanced", "gate") == "passed"
    assert cell(report, "Variants", "default ranges", "gate") == "failed: max_mse_ratio"
    assert cell(report, "Variants in detail", "balanced", "p90 [ms]") == pytest.approx(
        1e3 * np.percentile(rows[2].measured.compute_s, 90)
    )


def test_a_loss_of_score_is_paired_by_episode(report):
    assert cell(report, "Closed loop", "balanced", "score lost") == "0.5 [0.5-0.5]"  # hard episodes cancel
    assert cell(report, "Closed loop", "float", "score lost") == "-"
    assert cell(report, "Closed loop", "balanced", "episodes") == 12
    assert cell(report, "Closed loop", "balanced", "driven_lane_m [m]").startswith("19.9 [")


def test_unstructured_sparsity_without_speed_is_said(report):
    words = notes(report, "paper.torch.local_prune")
    assert "No speed from unstructured sparsity on this hardware: 40 % of its weights are 0" in words
    assert "1.01 times as fast as paper.torch.baseline on torch" in words


def test_sparsity_that_does_bring_speed_is_not_called_useless():
    rows = [
        row("float", recipe=False),
        row("paper.torch.baseline", "cpu/torch/fp32", median_s=800e-6),
        row("sparse", "cpu/torch/fp32", median_s=500e-6, sparsity=0.5, passes=[PRUNED]),
    ]
    found = build_report(rows, subject="m")
    assert not any("sparsity" in words for each in found.tables if each.title == "Notes" for _, words in each.rows)


def test_a_quantized_file_with_float_kernels_is_said(report):
    words = notes(report, "paper.torch.dynamic_quan")
    assert "Quantized file, float kernels" in words
    assert "Slower than the float model on its own runtime: 0.89 times as fast as paper.torch.baseline." in words
    assert cell(report, "Variants in detail", "paper.torch.dynamic_quan", "kernels") == "0 of 9 integer"
    assert "float kernels" not in notes(report, "default ranges")


def test_a_long_tail_is_said_with_the_load_of_the_machine():
    slow = row("mine", median_s=1e-4)
    slow.measured.compute_s[::40] *= 20.0
    found = build_report([row("float", recipe=False), slow], subject="m")
    assert "A long tail: p99 is 2" in notes(found, "mine")
    assert "load average of 0.4" in notes(found, "mine")


def test_passes_are_listed_with_configuration_and_seconds():
    made = row("mine", passes=[PRUNED], steps=[Step("prune.unstructured", 12.5, True, "ab")])
    found = build_report([row("float", recipe=False), made], subject="m")
    assert table(found, "Passes").rows == (("mine", 1, "prune.unstructured", "share=0.4", 12.5, "cached"),)


def test_machine_and_absent_targets_are_listed(report):
    assert dict(table(report, "Absent").rows) == {"cuda/tensorrt/fp16": "there is no NVIDIA card"}
    facts = dict(table(report, "Machine").rows)
    assert facts["threads of each variant"] == 1
    assert facts["load average"] == "0.4 to 0.4"
    assert {"cpu", "cores", "features"} <= set(facts)


def test_figures_show_the_front_the_deadline_and_what_the_best_lost(report):
    titles = [figure.title for figure in report.figures]
    assert titles == [
        "What each variant costs",
        "What each variant costs in closed loop",
        "Time of the weights",
        "Agreement of max with the float model",
        "float and max side by side",
        "Sensitivity, layer by layer",
    ]
    assert all(figure.alt and figure.table for figure in report.figures)
    assert b'class="limit"' in report.figures[0].data
    assert b'class="limit"' in report.figures[2].data
    for figure in report.figures:
        ET.fromstring(figure.data)


def test_a_runtime_has_the_same_colour_in_both_plots_of_costs(report):
    def colour(figure):
        kinds = {e.get("cy"): e.get("class") for e in ET.fromstring(figure.data).iter() if e.get("r") == "5"}
        words = {e.text: float(e.get("y")) - 4 for e in ET.fromstring(figure.data).iter() if e.text == "openvino"}
        return kinds[f"{words['openvino']:g}"]

    assert colour(report.figures[0]) == colour(report.figures[1])


def test_sensitivity_is_growth_against_the_float_models_own_error(report, rows):
    growth = 100.0 * 2e-5 / rows[0].measured.mse
    assert report.figures[-1].table.rows[0][2] == pytest.approx(growth)


def test_it_goes_through_json_text_and_html(report):
    assert Report.from_json(report.to_json()).summary == report.summary
    assert "Closed loop" in report.to_text()
    html = report.to_html()
    assert "<script" not in html
    assert html.count('class="chart"') == 6


def test_every_headline_metric_has_an_interval_and_a_count(report):
    shown = {name: metric for name, metric in report.metrics.items() if not metric.group}
    assert list(shown) == ["speedup_over_torch_eager", "mse_ratio", "times_smaller", "score_lost", "compute_s"]
    assert shown["speedup_over_torch_eager"].n == 1000
    assert shown["mse_ratio"].n == 300
    assert shown["score_lost"].n == 12
    assert all(metric.low <= metric.mean <= metric.high for metric in shown.values())


def test_an_interval_of_speed_grows_with_the_noise_and_ignores_what_slows_both():
    calm, other = row("a", median_s=1e-4).measured, row("b", median_s=2e-4).measured
    found = speedup(calm, other)
    assert (found.mean, found.n) == (pytest.approx(2.0), 1000)
    assert found.high - found.low < 1e-9  # the same slow calls in both cancel
    calm, other, draw = row("a", median_s=1e-4).measured, row("b", median_s=2e-4).measured, np.random.default_rng(1)
    for each in (calm, other):
        each.compute_s[:] *= draw.lognormal(0.0, 0.3, 1000)
    noisy = speedup(calm, other)
    assert noisy.low < noisy.mean < noisy.high
    assert noisy.high - noisy.low > 0.01


def test_a_single_call_has_no_interval():
    one, two = row("a", median_s=1e-4).measured, row("b", median_s=2e-4).measured
    object.__setattr__(one, "compute_s", one.compute_s[:1])
    found = speedup(one, two)
    assert found.low == found.high == found.mean


def test_baselines_are_float_models_without_a_pass(rows):
    assert eager_of(rows).name == "paper.torch.baseline"
    assert eager_of([each for each in rows if each.name == "paper.torch.local_prune"]) is None
    assert baseline_of(rows, rows[0]) is None
    assert baseline_of(rows, row("mine", "cpu/onnxruntime/int8")).name == "float"


def test_a_model_with_very_many_outputs_lists_the_one_that_lost_most():
    rows = [row("float", recipe=False), row("mine")]
    for factor, each in zip((1.0, 1.0), rows, strict=True):
        each.measured.output_mse.clear()
        each.measured.output_mse.update({f"mask[{k}]": factor * 0.001 for k in range(500)})
    rows[1].measured.output_mse["mask[77]"] = 0.5
    found = table(build_report(rows, subject="m"), "MSE of each output")
    assert found.rows[1][:3] == ("mine", "mask[77]", "0.5")


def test_a_reference_that_is_not_there_is_refused(rows):
    with pytest.raises(ValueError, match="no row is called 'floot'"):
        build_report(rows, subject="m", reference="floot")


def test_kernels_that_nobody_tells_are_not_called_float():
    rows = [row("float", recipe=False), row("mine", "cpu/onnxruntime/int8"), row("its", kernels=Kernels(3, 0))]
    found = build_report(rows, subject="m")
    assert cell(found, "Variants in detail", "mine", "kernels") == "not told"
    assert not any(
        "float kernels" in words for each in found.tables if each.title == "Notes" for _, words in each.rows
    )


def test_a_row_alone_makes_a_report():
    found = build_report([Row(row("float").measured)], subject="m")
    assert found.summary == "m: nothing was made."
    assert found.verdict == "measured"


def test_a_search_passes_where_it_recommends_one_and_fails_where_it_does_not(rows):
    said = {"subject": "lane", "command": ["rilaas"]}
    found = build_report(rows, recommended="balanced", **said)
    assert found.verdict == "passed"
    assert "balanced (cpu/openvino/int8) is the best" in found.summary
    assert "1 failed the gate" in found.summary
    assert build_report(rows, recommended="", **said).verdict == "failed"


def test_the_same_network_on_a_slower_runtime_is_not_on_the_front():
    slow = row("slow", "cpu/torch/fp32", median_s=2e-3, error=1.0 - 1e-7)
    better = row("better", median_s=3e-3, error=0.9)
    assert front_of([row("float", recipe=False), slow, better]) == ("float", "better")


def test_the_gate_stands_in_the_first_columns_where_a_narrow_window_shows_it(report):
    assert table(report, "Variants").columns[:2] == ("variant", "gate")
