"""The published figures are what was printed, and ours stand beside them, each against its own baseline."""

import math

import pytest

from rilaas.core import MissingDependency
from rilaas.infer import nvidia
from rilaas.infer.session import Kernels
from rilaas.optimize.published import DEFECTS, TABLES, A, B, C, D, E, of_recipe
from rilaas.optimize.published_online import F
from rilaas.optimize.recipe import read_recipe
from rilaas.optimize.report import build_report
from rilaas.optimize.reproduction import published_ratios, reproduced, reproduction_tables, to_markdown
from tests.optimize.report_rows import PRUNED, row, usual

DOCUMENT = {
    "paper.tf.": "baseline dynamic_quan int_quan int_flt_quan float16_quan quan_aware prune prune_quan clust_qat "
    "prune_qat prune_clust_qat",
    "paper.torch.": "baseline dynamic_quan static_quan quan_aware local_prune global_prune prune_quan",
    "paper.tensorrt.": "tf_fp32 tf_fp16 tf_int8 torch_int8",
}


def test_every_published_row_names_a_recipe_of_the_document_or_none():
    named = {each.recipe for table in TABLES for each in table.rows} - {""}
    assert named == {start + name for start, names in DOCUMENT.items() for name in names.split()}


@pytest.mark.parametrize(
    ("table", "method", "smaller", "faster"),
    [
        (A, "Static Q", 3.81, 0.887),  # every quantized PyTorch model was slower than float
        (A, "Dynamic Range Q", 3.14, 0.798),
        (B, "Dynamic Range", 3.96, 1.81),
        (B, "Integer (float fallback)", 3.96, 1.99),
        (B, "Float16", 2.0, 1.18),
        (B, "Weight pruning", 1.0, 0.97),
        (D, "Dynamic Range", 4.0, 1.61),
        (E, "Local Prune", 1.0, 1.04),
    ],
    ids=lambda value: value.key if hasattr(value, "key") else None,
)
def test_ratios_are_against_the_tables_own_baseline(table, method, smaller, faster):
    found = published_ratios(table, table.row(method))
    assert found.smaller == pytest.approx(smaller, rel=0.006)
    assert found.faster == pytest.approx(faster, rel=0.006)


def test_the_broken_integer_row_stays_as_it_was_printed_and_points_to_its_defect():
    found = D.row("Integer only")
    assert found.mse == 28157.721509850544
    assert 1 in found.footnotes
    assert "not turned back into numbers" in DEFECTS[1]
    assert B.row("Integer").mse < 0.012  # the same recipe, evaluated right


def test_every_footnote_is_explained_and_every_defect_is_pointed_to():
    used = {number for table in TABLES for each in table.rows for number in each.footnotes}
    assert used == set(DEFECTS)


def test_every_table_has_its_baseline_and_no_method_twice():
    for table in TABLES:
        methods = [each.method for each in table.rows]
        assert table.baseline in methods
        assert len(set(methods)) == len(methods)
        assert len([each for each in table.rows if each.recipe]) == len({e.recipe for e in table.rows if e.recipe})
    with pytest.raises(KeyError):
        A.row("Nobody's")


def test_what_was_not_published_has_no_figure():
    assert C.row("Original").time_s is None
    assert math.isnan(published_ratios(C, C.row("Static")).faster)
    assert B.row("Weight pruning + Q").mse is None
    assert {each.circuit for each in F} == {"SimpleCircuit", "Montreal"}
    assert sum(each.completed is False for each in F) == 4


def test_a_recipe_finds_all_its_published_rows():
    assert [(table.key, each.method) for table, each in of_recipe("paper.tf.int_quan")] == [
        ("B", "Integer"),
        ("D", "Integer only"),
        ("D (second machine)", "Integer only"),
    ]
    assert of_recipe("balanced") == []


@pytest.fixture(scope="module")
def rows():
    return [
        *usual(),
        row("paper.tf.baseline", "cpu/litert/fp32", median_s=500e-6),
        row(
            "paper.tf.int_quan",
            "cpu/litert/int8",
            median_s=250e-6,
            size=1_570_000,
            error=1.012,
            kernels=Kernels(9, 9),
            passes=[PRUNED],
        ),
    ]


def test_ours_is_held_against_the_baseline_of_its_own_framework(rows):
    found = {each.recipe: each for each in reproduced(rows, rows[0])}
    assert found["paper.tf.int_quan"].baseline.name == "paper.tf.baseline"
    assert found["paper.torch.local_prune"].baseline.name == "paper.torch.baseline"
    assert found["paper.tensorrt.tf_int8"].ours is None
    assert found["paper.tensorrt.tf_int8"].baseline is rows[0]


def test_the_comparison_has_theirs_and_ours_in_one_line(rows):
    table, defects = reproduction_tables(rows, rows[0])
    line = next(each for each in table.rows if each[0] == "paper.tf.int_quan")
    cells = dict(zip(table.columns, line, strict=True))
    assert cells["published"] == "Integer only (B, D)"
    assert cells["× faster"] == "0.958 to 1.8"
    assert cells["ours × smaller"] == "3.82"
    assert cells["ours × faster"].startswith("2.00 [")
    assert cells["ours MSE ratio"].startswith("1.012 [")
    assert cells["see"] == "1, 6, 8"
    missing = next(each for each in table.rows if each[0] == "paper.tensorrt.tf_fp16")
    assert missing[5:8] == ("not run", "-", "-")
    assert len(defects.rows) == len(DEFECTS)


def test_a_report_has_the_comparison_only_where_it_is_asked_for(rows):
    asked = build_report(rows, subject="m", published=True)
    titles = [table.title for table in asked.tables]
    assert "Beside the published figures" in titles
    assert "Beside the published figures" not in [table.title for table in build_report(rows, subject="m").tables]


def test_the_page_has_our_rows_the_published_ones_the_defects_and_what_was_not_run(rows):
    page = to_markdown(
        rows,
        rows[0],
        command="rilaas optimize REF --recipe 'paper.*' --published",
        absent=[("paper.tensorrt.tf_fp16", "there is no NVIDIA card")],
    )
    assert "28157.721509850544" in page
    assert "0.0008868560791015625" in page
    assert "| paper.tensorrt.tf_fp16 | there is no NVIDIA card |" in page
    assert "$ rilaas optimize REF --recipe 'paper.*' --published" in page
    assert "No speed from unstructured sparsity" in page
    assert page.count("\n### ") == len(TABLES) + 1
    lines = page.splitlines()
    for number, line in enumerate(lines):
        if set(line) <= set("|- ") and "---" in line:
            assert lines[number - 1].count("|") == line.count("|") == lines[number + 1].count("|")


@pytest.mark.parametrize("name", ["tf_fp32", "tf_fp16", "tf_int8", "torch_fp32", "torch_half", "torch_int8"])
def test_a_tensorrt_recipe_says_what_it_reproduces_and_that_the_card_is_missing(name, monkeypatch):
    monkeypatch.setattr(nvidia, "card", lambda: "")
    recipe = read_recipe(f"paper.tensorrt.{name}")
    assert recipe.name == f"paper.tensorrt.{name}"
    assert str(recipe.target).startswith("cuda/torch-tensorrt/" if name.startswith("torch") else "cuda/tensorrt/")
    assert "DeepLearningStudio" in recipe.source
    assert ("int8" in name) == any(each.name.startswith("quantize.") for each in recipe.passes)
    with pytest.raises(MissingDependency, match="there is no NVIDIA card"):
        recipe.target.check_is_there()
