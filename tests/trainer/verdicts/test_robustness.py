from trainer.verdicts.robustness import conclude

CHANGES = [("none", 0), ("JPEG quality", 75), ("JPEG quality", 10), ("side", 64), ("side", 32)]


def concluded(*accuracies: float) -> dict:
    rows = [
        {"variant": name, "change": change, "degree": degree, "accuracy": accuracy + more}
        for name, more in (("bn", 0.0), ("gn", 0.02))
        for (change, degree), accuracy in zip(CHANGES, accuracies, strict=True)
    ]
    return conclude({"rows": rows})


def test_the_mildest_degree_that_costs_accuracy_on_average_is_named():
    found = concluded(0.9, 0.86, 0.7, 0.84, 0.5)
    assert found["costly"] == {"JPEG quality": 10, "side": 64}
    assert found["sentence"] == (
        "Averaged over the variants, accuracy falls by more than 5 points at JPEG quality 10 or "
        "less and at 64 px or less."
    )


def test_where_nothing_costs_accuracy_the_sentence_says_so():
    found = concluded(0.9, 0.9, 0.89, 0.88, 0.87)
    assert found["costly"] == {"JPEG quality": None, "side": None}
    assert found["sentence"].startswith("No degradation costs more than 5 points")
