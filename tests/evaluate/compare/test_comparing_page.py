"""What docs/comparing.md shows is what happens."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "comparing.md"


def test_the_example_of_the_page_prints_what_the_page_says(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {})
    said = re.search(r"# (better .*)", code).group(1)
    assert capsys.readouterr().out.splitlines() == [said, "['new', 'old']"]
