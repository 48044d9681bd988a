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
