import numpy as np
from PIL import Image

from tests.trainer.audit.faulty import rows


def test_the_clean_copy_has_one_photo_a_group_in_as_large_splits_without_borders(audited):
    clean = audited[1]
    manifest = {row["file"]: row for row in rows(clean / "manifest.csv")}
    assert len(manifest) == 31
    kept = [row["new_file"] for row in manifest.values() if row["new_file"]]
    assert sorted(kept) == sorted(
        str(file.relative_to(clean)) for file in clean.rglob("*") if file.suffix in (".png", ".jpg")
    )
    assert len(kept) == len(set(kept)) == 27
    left = {name: row["done"] for name, row in manifest.items() if not row["new_file"]}
    assert sorted(why.split(": ")[0] for why in left.values()) == ["left out"] * 4
    cut = next(row for name, row in manifest.items() if name.endswith("border.png"))
    assert "border cut" in cut["done"]
    photo = np.asarray(Image.open(clean / cut["new_file"]).convert("RGB"))
    assert photo.max(axis=2).min() > 24
    assert min(photo.shape[:2]) < 120
