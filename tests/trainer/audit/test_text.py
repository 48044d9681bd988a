def test_the_page_of_text_says_the_share_of_test_photos_with_a_relative_in_train(audited):
    text = (audited[0] / "audit.txt").read_text()
    assert "9.1% of test photos have a near-duplicate in train" in text  # one of eleven
    for title in ("Duplicates", "Borders", "Shortcuts", "Orientation", "Labels", "Poor photos"):
        assert f"\n{title}\n" in text
