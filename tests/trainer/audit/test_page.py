def test_the_page_with_examples_is_escaped_and_needs_no_other_file(audited):
    page = (audited[0] / "audit.html").read_text()
    assert "photos &lt;b&gt;" in page
    assert "photos <b>" not in page
    assert page.count('src="') == page.count('src="data:image/jpeg;base64,') > 4
    assert page.count("<img") == page.count('alt="')
    assert "http" not in page
