import json

from trainer.report.__main__ import render


def write(folder, name, rows):
    (folder / f"{name}.json").write_text(json.dumps({"machine": {"cores": 2}, "rows": rows}))


def measured(folder, **facts):
    rows = [{"what": what.replace("_", " "), "value": value} for what, value in facts.items()]
    write(folder, "scale", rows)


def test_what_nobody_has_measured_is_said_so(tmp_path):
    text = render("scale.md.j2", tmp_path, tmp_path)
    assert text.count("Not measured yet: `python -m benchmarks.load`.") == 1
    assert text.count("Not measured yet: `python -m benchmarks.scale`.") == 2


def test_a_thousand_visitors_need_the_cores_that_their_answers_keep_busy(tmp_path):
    row = {
        "visitors": 50, "seconds": 300, "looking, s": 9.0, "answers": 1500, "median, s": 1.0,
        "95th percentile, s": 2.0, "an answer, ms of a core": 120.0, "errors": 0,
        "memory, MB": 800.0,
    }  # fmt: skip
    write(tmp_path, "load", [row])
    text = render("scale.md.j2", tmp_path, tmp_path)
    assert "1,000 / (9 + 1.00) = 100 times a second" in text
    assert "100 x 0.120 = 12.0 cores busy; at a load of at most 60% it takes 20 cores" in text
    assert "1,000 / 50 = 20, with 20 x 800 MB = 16 GB" in text


def test_ten_million_photos_take_hours_in_proportion_to_cores(tmp_path):
    write(
        tmp_path,
        "batch",
        [{"photos": "small", "photos/s": 200}, {"photos": "large", "photos/s": 20}],
    )
    rates = {"photos answered by one command, 1/s": 100, "photos answered by Ray Data, 1/s": 90}
    measured(tmp_path, **rates, **{"until Ray Data's first row, s": 7, "a photo's file, kB": 50})
    text = render("scale.md.j2", tmp_path, tmp_path)
    assert "keeps 0.90 of the speed" in text
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    (small,) = (row for row in rows if row[1:2] == ["small"])
    assert small[2:4] == ["90.0", "15.4"]  # 10,000,000 / (90 x 2) / 3600
    assert "128 cores read 11,520 files a second of 50 kB each, 576 MB/s" in text


def shipped(folder, name, machines, speed, **recipe):
    (folder / name).mkdir()
    report = {
        "machines": machines,
        "photos_per_second": speed,
        "recipe": {"image_size": 96} | recipe,
    }
    (folder / name / "report.json").write_text(json.dumps(report))


def test_eight_gpus_are_told_of_by_what_is_counted_and_measured(tmp_path):
    write(tmp_path, "epoch", [{"photos/s": 200}])
    facts = {"training on a photo, GFLOP": 1.0}
    facts |= {"weights": 100_000, "norm layers": 10, "channels of all norm layers": 500}
    measured(tmp_path, **facts)
    text = render("scale.md.j2", tmp_path / "none", tmp_path)
    assert "on 2 cores: an epoch runs at 200 photos/s, so 10,000,000 photos take 14 hours" in text
    assert "No run was trained on a GPU alone" in text
    assert "100,000 weights x 4 bytes = 0.40 MB" in text
    assert "0.70 MB" in text
    assert "2 x 2 x 500 x 4 bytes = 8 kB" in text
    assert "768 GB" in text
    shipped(tmp_path, "bn", [{"gpu": "G1"}], 9890.0)
    shipped(tmp_path, "gn", [{"gpu": "G1"}], 2000.0, workers=2)
    shipped(tmp_path, "ln", [{"gpu": "G1"}, {"cores": 2}], 500.0)
    text = render("scale.md.j2", tmp_path, tmp_path)
    assert "`bn` at 96 px, its photos cropped on the GPU in batches, trained 9,890 photos/s" in text
    assert "at most 1.00% of 989 TFLOP/s" in text
    assert "`gn` at 96 px, its photos cropped on the processor one by one, trained 2,000" in text
    assert "`ln`" not in text
