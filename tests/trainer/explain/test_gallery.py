import numpy as np
from PIL import Image

from trainer.explain.gallery import painted, select_exhibits


def test_the_surest_right_the_surest_wrong_and_the_least_sure_photos_are_chosen():
    probabilities = np.array(
        [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.45, 0.55], [0.99, 0.01], [0.3, 0.7]], np.float32
    )
    labels = np.array([0, 0, 0, 0, 1, 1])
    chosen = select_exhibits(probabilities, labels, 0)
    assert chosen == {"right": [0, 1], "wrong": [2, 3], "doubtful": [3, 1, 2]}
    assert select_exhibits(probabilities, labels, 1)["wrong"] == [4]


def test_a_heatmap_is_painted_over_the_whole_photo_and_brightest_where_it_is_hottest():
    heatmap = np.zeros((4, 4), np.float32)
    heatmap[0, 0] = 1
    picture = painted(Image.new("RGB", (40, 20), (90, 90, 90)), heatmap)
    assert picture.size == (40, 20)
    pixels = np.asarray(picture).sum(axis=-1)
    assert pixels[:4, :8].mean() > pixels[10:, 20:].mean()
