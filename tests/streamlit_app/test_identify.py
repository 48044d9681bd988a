from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from streamlit_app.classifier import Classifier
from tests.conftest import SPECIES, colour_checkpoint, draw_bird, encode

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "birds25" / "test"


@pytest.fixture
def app(checkpoints: Path) -> AppTest:
    return AppTest.from_file(str(ROOT / "streamlit_app" / "main.py"), default_timeout=20)


def upload(app: AppTest, data: bytes, name: str = "bird.jpg") -> AppTest:
    app.file_uploader(key="photo").set_value((name, data, "image/jpeg"))
    return run(app)


def run(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception
    return app


def legend(app: AppTest) -> str:
    return app.get("html")[0].proto.body


def picture(app: AppTest) -> str:
    """The address of the photo shown, which changes with its pixels."""
    (image,) = app.get("image")
    return image.proto.imgs[0].url


def test_without_a_photo_the_page_says_what_it_does_and_which_birds_it_knows(app: AppTest) -> None:
    run(app)
    text = " ".join(element.value for element in app.markdown)
    assert "names the bird" in text
    assert all(species.replace("-", " ") in text for species in SPECIES)
    assert not app.error


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_photo_is_answered_with_its_species_and_probability(app: AppTest, format: str) -> None:
    upload(run(app), encode(draw_bird("blue"), format))
    assert app.header[0].value == "Blue Bird, 85%"
    assert "Blue Bird" in legend(app)
    assert app.get("vega_lite_chart")


def test_another_species_heatmap_can_be_seen(app: AppTest) -> None:
    upload(run(app), encode(draw_bird("blue")))
    before = picture(app)
    app.selectbox(key="other").set_value("Cyan-Bird")
    run(app)
    assert "Cyan Bird" in legend(app)
    assert picture(app) != before
    assert app.header[0].value.startswith("Blue Bird")


def test_a_species_that_nothing_speaks_for_is_said_to_have_no_heatmap(app: AppTest) -> None:
    upload(run(app), encode(draw_bird("blue"), "PNG"))
    app.selectbox(key="other").set_value("Yellow-Bird")
    run(app)
    assert any("Nothing on this photo speaks for" in text.value for text in app.markdown)


def test_the_slider_changes_the_picture_and_asks_the_model_nothing(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(run(app), encode(draw_bird("red")))
    before = picture(app)
    monkeypatch.setattr(Classifier, "answer", lambda *_: pytest.fail("the model was run again"))
    app.slider(key="strength").set_value(20)
    run(app)
    assert picture(app) != before


def test_a_new_photo_keeps_the_strength_and_drops_the_other_species(app: AppTest) -> None:
    upload(run(app), encode(draw_bird("blue")))
    app.slider(key="strength").set_value(20)
    app.selectbox(key="other").set_value("Cyan-Bird")
    run(app)
    upload(app, encode(draw_bird("red")))
    assert app.slider(key="strength").value == 20
    assert app.selectbox(key="other").value is None
    assert "Red Bird" in legend(app)


@pytest.mark.parametrize("data", [b"", b"not a photo", encode(draw_bird())[:-200]])
def test_what_cannot_be_read_gets_one_sentence(app: AppTest, data: bytes) -> None:
    upload(run(app), data)
    (error,) = app.error
    assert error.value.endswith(".")
    assert not app.header


def test_a_removed_photo_brings_the_first_page_back(app: AppTest) -> None:
    upload(run(app), encode(draw_bird()))
    app.file_uploader(key="photo").set_value(None)
    run(app)
    assert not app.header
    assert "birds it knows" in app.subheader[0].value


def test_one_variant_leaves_nothing_to_choose(app: AppTest) -> None:
    run(app)
    assert not app.selectbox


def test_a_new_folder_is_a_new_variant_without_a_restart(app: AppTest, checkpoints: Path) -> None:
    upload(run(app), encode(draw_bird("red")))
    colour_checkpoint(checkpoints / "gn", temperature="4")
    run(app)
    assert app.selectbox(key="variant").options == ["bn: batch norm", "gn: group norm"]
    sure = app.header[0].value
    app.selectbox(key="variant").set_value("gn")
    run(app)
    assert app.header[0].value.startswith("Red Bird")
    assert app.header[0].value != sure


def test_a_changed_checkpoint_answers_anew(app: AppTest, checkpoints: Path) -> None:
    upload(run(app), encode(draw_bird("red")))
    before = app.header[0].value
    colour_checkpoint(checkpoints / "bn", temperature="4")
    run(app)
    assert app.header[0].value != before


def test_a_broken_variant_is_named_and_the_others_answer(app: AppTest, checkpoints: Path) -> None:
    (checkpoints / "gn").mkdir()
    upload(run(app), encode(draw_bird("red")))
    assert "gn" in app.warning[0].value
    assert app.header[0].value.startswith("Red Bird")


def test_no_checkpoint_is_explained_with_the_command_that_makes_one(
    app: AppTest, checkpoints: Path
) -> None:
    (checkpoints / "bn" / "model.onnx").unlink()
    run(app)
    (error,) = app.error
    assert "python -m trainer --norm bn --data PHOTOS" in error.value


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared photos are not here")
def test_a_real_photo_is_answered(app: AppTest) -> None:
    photo = next(SHARED.rglob("*.jpg"))
    upload(run(app), photo.read_bytes(), photo.name)
    assert app.header[0].value.endswith("%")
