import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from streamlit_app.markdown import escape_markdown
from tests.conftest import break_variant, colour_checkpoint, draw_bird, encode
from tests.measurements import draw_explained, result_file
from tests.saliency import add_saliency

ROOT = Path(__file__).parents[3]


@pytest.fixture
def app(checkpoints: Path) -> AppTest:
    """The page with two variants; only bn has gradients."""
    add_saliency(checkpoints / "bn")
    colour_checkpoint(checkpoints / "gn")
    return AppTest.from_file(str(ROOT / "streamlit_app" / "views" / "explain.py"))


def run(app: AppTest) -> AppTest:
    app.run(timeout=300)
    assert not app.exception
    return app


def upload(app: AppTest, data: bytes) -> AppTest:
    app.file_uploader(key="photo").set_value(("bird.png", data, "image/png"))
    return run(app)


def remove(app: AppTest) -> None:
    (button,) = (button for button in app.button if button.label == "Remove")
    button.click()
    run(app)


def pictures(app: AppTest) -> list[str]:
    """The address of each picture, which changes with its pixels."""
    return [image.proto.imgs[0].url for image in app.get("image")]


def words(app: AppTest) -> str:
    return " ".join(element.value for element in app.markdown)


def test_without_a_gallery_the_page_shows_visitors_no_command(app: AppTest) -> None:
    assert "python -m" not in words(run(app))
    assert not pictures(app)


def test_a_photo_gets_its_map_those_of_all_variants_and_the_deletion_curve(app: AppTest) -> None:
    upload(run(app), encode(draw_bird("red"), "PNG"))
    assert app.header[0].value == "Red Bird, 85%"
    assert "Prediction of bn: batch norm." in words(app)
    assert ":small[gn: group norm]  \n**Red Bird, 85%**" in words(app)
    assert len(pictures(app)) == 1 + 2 + 1  # large, a card each, erased
    assert len(app.get("vega_lite_chart")) == 1
    assert "area under the curve, **0." in words(app)


def test_species_and_method_change_the_map_and_stand_in_the_address(app: AppTest) -> None:
    upload(run(app), encode(draw_bird("red"), "PNG"))
    first = pictures(app)
    app.selectbox(key="species").set_value("Green Bird")
    run(app)
    assert pictures(app)[0] != first[0]
    app.selectbox(key="species").set_value("Red Bird")
    app.selectbox(key="method").set_value("Gradient")
    run(app)
    assert pictures(app)[0] != first[0]
    assert app.query_params["method"] == "Gradient"
    assert "gn has no saliency.onnx" in app.warning[0].value


def test_a_stage_is_chosen_where_the_method_has_them(app: AppTest) -> None:
    app.query_params["stage"] = "2"
    upload(run(app), encode(draw_bird("red"), "PNG"))
    second = pictures(app)
    app.selectbox(key="stage").set_value("3")
    run(app)
    assert pictures(app)[0] != second[0]
    assert "stage" not in app.query_params
    app.selectbox(key="method").set_value("LayerCAM")
    run(app)
    assert app.selectbox(key="stage").value == "3"
    app.selectbox(key="method").set_value("SmoothGrad")
    run(app)
    assert "stage" not in [box.key for box in app.selectbox]


def test_the_chosen_variant_without_gradients_says_what_makes_them(app: AppTest) -> None:
    app.query_params["variant"] = "gn"
    app.query_params["method"] = "SmoothGrad"
    upload(run(app), encode(draw_bird("red"), "PNG"))
    assert "python -m trainer.checkpoint.saliency" in app.error[0].value


def test_the_photo_is_erased_as_far_as_the_slider_says(app: AppTest) -> None:
    upload(run(app), encode(draw_bird("red"), "PNG"))
    before = pictures(app)
    app.slider(key="erased").set_value(60)
    run(app)
    assert pictures(app)[:-1] == before[:-1]
    assert pictures(app)[-1] != before[-1]


@pytest.fixture
def gallery(checkpoints: Path) -> None:
    """One of a wrong answer."""
    folder = checkpoints / "results" / "gallery" / "bn"
    folder.mkdir(parents=True)
    draw_bird("green").save(folder / "one.png")
    entry = {"photo": "one.png", "species": "Cyan Bird", "kind": "wrong"}
    entry |= {"answered": "Green Bird", "probability": 0.853}
    (folder / "gallery.json").write_text(json.dumps([entry]))


@pytest.mark.usefixtures("gallery")
def test_a_photo_of_the_gallery_is_explained(app: AppTest) -> None:
    run(app)
    assert app.selectbox(key="gallery").options == ["Cyan Bird, taken for Green Bird, 85%"]
    app.selectbox(key="gallery").set_value("one.png")
    run(app)
    assert app.header[0].value.startswith("Green Bird")
    assert app.query_params["gallery"] == "one.png"


@pytest.mark.usefixtures("gallery")
def test_a_link_opens_its_photo_of_the_gallery(app: AppTest) -> None:
    app.query_params["gallery"] = "one.png"
    run(app)
    assert app.header[0].value.startswith("Green Bird")


@pytest.mark.usefixtures("gallery")
def test_another_photo_of_the_gallery_starts_with_its_own_answer(
    app: AppTest, checkpoints: Path
) -> None:
    folder = checkpoints / "results" / "gallery" / "bn"
    (entry,) = json.loads((folder / "gallery.json").read_text())
    draw_bird("red").save(folder / "two.png")
    (folder / "gallery.json").write_text(json.dumps([entry, entry | {"photo": "two.png"}]))
    run(app)
    first = "Cyan Bird, taken for Green Bird, 85%"
    assert app.selectbox(key="gallery").options == [first, f"{first} (2)"]
    app.selectbox(key="gallery").set_value("one.png")
    run(app)
    app.selectbox(key="species").set_value("Blue Bird")
    run(app)
    assert app.query_params["species"] == "Blue Bird"
    remove(app)
    app.selectbox(key="gallery").set_value("two.png")
    run(app)
    assert app.selectbox(key="species").value == "Red Bird"


@pytest.mark.usefixtures("gallery")
def test_without_a_photo_wrong_answers_of_the_gallery_are_shown_and_one_is_chosen(
    app: AppTest,
) -> None:
    run(app)
    assert len(pictures(app)) == 1
    first = "Cyan Bird, taken for Green Bird, 85%"
    (button,) = (b for b in app.button if b.label == escape_markdown(first))
    button.click()
    run(app)
    assert app.header[0].value.startswith("Green Bird")


def test_without_a_photo_what_was_measured_of_maps_is_shown(
    app: AppTest, checkpoints: Path
) -> None:
    result_file(checkpoints, "explain.json").write_text(json.dumps(draw_explained(["bn"])))
    assert len(run(app).get("vega_lite_chart")) == len(app.get("download_button")) == 1
    assert "heatmaps of `bn`" in words(app)
    app.selectbox(key="variant").set_value("gn")  # not measured
    assert "heatmaps of `bn`" not in words(run(app))
    result_file(checkpoints, "explain.json").write_text("damaged")
    assert "python -m trainer.explain" in run(app).warning[0].value


def test_another_photo_starts_with_its_own_answer(app: AppTest) -> None:
    app.query_params["species"] = "Yellow Bird"
    upload(run(app), encode(draw_bird("red"), "PNG"))
    assert app.selectbox(key="species").value == "Yellow Bird"
    upload(app, encode(draw_bird("green"), "PNG"))
    assert app.selectbox(key="species").value == "Green Bird"


def test_a_variant_that_fails_on_a_photo_is_named_in_its_card(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_variant(monkeypatch, "gn")
    upload(run(app), encode(draw_bird("red"), "PNG"))
    assert "The checkpoint gn cannot answer" in app.warning[0].value.replace("\\", "")
    assert len(pictures(app)) == 1 + 1 + 1  # large, bn's card, erased


def test_the_chosen_variant_that_fails_on_a_photo_is_named(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_variant(monkeypatch, "bn")
    upload(run(app), encode(draw_bird("red"), "PNG"))
    assert "The checkpoint bn cannot answer" in app.error[0].value.replace("\\", "")
    app.selectbox(key="variant").set_value("gn")
    assert pictures(run(app))


def test_what_cannot_be_read_gets_one_sentence(app: AppTest) -> None:
    upload(run(app), b"not a photo")
    assert app.error[0].value.endswith(".")
    assert not pictures(app)
