import json
from pathlib import Path

from streamlit_app.ui.gallery import exhibits
from tests.conftest import draw_bird


def test_a_gallery_lists_the_photos_that_are_there(tmp_path: Path) -> None:
    assert exhibits(tmp_path, "bn", ["Crow"]) == []
    folder = tmp_path / "bn"
    folder.mkdir()
    entry = {"species": "Red Bird", "kind": "right", "answered": "Red Bird", "probability": 0.9}
    entries = [entry | {"photo": name} for name in ("a.jpg", "gone.jpg", "../a.jpg")]
    (folder / "gallery.json").write_text(json.dumps(entries))
    draw_bird().save(folder / "a.jpg")
    assert {exhibit.path for exhibit in exhibits(tmp_path, "bn", ["Crow"])} == {folder / "a.jpg"}
    (folder / "gallery.json").write_text('{"no": "list"}')
    assert exhibits(tmp_path, "bn", ["Crow"]) == []
