from pathlib import Path
from types import SimpleNamespace

import numpy as np

from trainer.audit.findings import Findings
from trainer.audit.page import _groups


def test_the_page_with_examples_is_escaped_and_needs_no_other_file(audited):
    page = (audited[0] / "audit.html").read_text()
    assert "photos &lt;b&gt;" in page
    assert "photos <b>" not in page
    assert page.count('src="') == page.count('src="data:image/jpeg;base64,') > 4
    assert page.count("<img") == page.count('alt="')
    assert "http" not in page


def test_the_lines_of_a_table_are_one_block_that_can_be_scrolled_by_keyboard(audited):
    page = (audited[0] / "audit.html").read_text()
    table = page.partition('<pre class="table" tabindex="0">')[2].partition("</pre>")[0]
    assert table.splitlines()[1].split()[0] == "border"
    assert table.splitlines()[-1].split()[0] == "aspect"


def test_groups_are_shown_across_species_first_with_a_photo_of_each_folder():
    files = [Path(f"train/A/{n}.jpg") for n in range(9)] + [Path("test/A/9.jpg")]
    files += [Path(f"train/B/{n}.jpg") for n in range(10, 14)]
    labels = np.array([0] * 10 + [1] * 4)
    photos = SimpleNamespace(
        files=files, labels=labels, splits=np.array([f.parts[0] for f in files])
    )
    grouped = np.array([0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 3, 3, 1, 4])
    findings = Findings(photos, [], [], [], grouped, [], [], labels > 1, None, labels)
    assert _groups(findings) == [[2, 12, 3, 4, 5, 6], [9, 8]]
