"""What a person sees at a terminal."""

import io

from rilaas.report import Episode, Provenance, Report, Table, colour_wanted, grid, summarize
from rilaas.report.text import seeds_text


def test_a_mean_never_stands_alone(report):
    text = report.to_text()
    row = next(line for line in text.splitlines() if line.startswith("driven_lane_m "))
    assert "12.5 m" in row
    assert "[11.2-13.8], n=6" in row


def test_percentiles_stand_per_server(report):
    rows = [line.split() for line in report.to_text().splitlines()]
    assert ["round_trip_s", "edge", "6.00", "ms", "6.90", "ms", "6.98", "ms", "3"] in rows


def test_episodes_come_worst_first_and_failures_before_all(report):
    lines = report.to_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("Episodes, worst first (6, 1 failed)"))
    assert [line.split()[1] for line in lines[start + 3 : start + 9]] == ["3", "0", "1", "2", "4", "5"]


def test_colour_is_used_only_where_it_is_asked_for_and_red_only_for_failure(report):
    assert "\x1b" not in report.to_text()
    red = [line for line in report.to_text(colour=True).splitlines() if "\x1b[31m" in line]
    assert len(red) == 2  # the verdict and the failed episode
    passed = Report("k", "passed", report.metrics, report.provenance)
    assert "\x1b[31m" not in passed.to_text(colour=True)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colour_is_wanted_on_a_terminal_unless_its_user_says_no(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert colour_wanted(Terminal())
    assert not colour_wanted(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not colour_wanted(Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour_wanted(Terminal())


def test_columns_are_aligned_and_numbers_set_to_the_right():
    assert grid(("name", "ms"), (("a", "1.25"), ("longer", "10.00"))) == [
        "name       ms",
        "------  -----",
        "a        1.25",
        "longer  10.00",
    ]


def test_a_name_cannot_move_the_cursor_or_begin_a_line():
    episode = Episode("evil\x1b[2J\nname", 1, "done\r", {})
    table = Table("t\x1b", ("c\n",), (("x\x1b[31m",),), "note\n")
    source = Provenance("1", "", (1,), {"cpu": "c\x1b"}, "rilaas \x1b")
    text = Report("k\x1b", "passed", {}, source, "sum\x1bmary", (episode,), (table,)).to_text()
    assert "\x1b" not in text
    assert "\r" not in text


def test_a_long_list_is_cut_and_says_so():
    episodes = tuple(Episode("s", i, "done", {f"metric_{k}_m": 1.0 for k in range(9)}) for i in range(30))
    text = Report("k", "measured", {}, Provenance("1", "", (), {}, ""), "", episodes).to_text(width=80)
    assert "10 of 30 episodes and the first columns; --json has everything." in text
    assert max(map(len, text.splitlines())) <= 80


def test_provenance_ends_the_text(report):
    last = report.to_text().splitlines()[-3:]
    assert last == ["rilaas 0.1.0 (aaaaaaaaaaaa-dirty), seeds 0-5", "X1, 2 cores", "$ rilaas up --demo"]


def test_seeds_in_a_row_are_written_as_a_range():
    assert seeds_text((5, 1, 2, 3, 9, 9)) == "1-3, 5, 9"
    assert seeds_text(()) == ""


def test_a_report_without_anything_is_still_a_report():
    text = Report("empty", "measured", {"m": summarize([], "m")}, Provenance("1", "", (), {}, "rilaas")).to_text()
    assert "n=0" in text
