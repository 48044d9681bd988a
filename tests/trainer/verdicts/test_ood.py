from trainer.verdicts.ood import conclude


def concluded(bn: float, gn: float) -> dict:
    rows = [
        {
            "variant": name,
            "kind": "no bird",
            "auroc": area,
            "low": area - 0.02,
            "high": area + 0.02,
            "false_acceptance_rate": 0.4,
        }
        for name, area in (("bn", bn), ("gn", gn))
    ]
    (verdict,) = conclude({"photos": {"no bird": 30}, "rows": rows})["verdicts"]
    return verdict


def test_no_more_is_said_than_whether_the_intervals_of_best_and_worst_overlap():
    apart = concluded(0.8, 0.9)
    assert (apart["best"], apart["worst"], apart["verdict"]) == ("gn", "bn", "apart")
    assert "`gn` is best with an AUROC of 90.0 (88.0 to 92.0)%" in apart["sentence"]
    assert "the intervals do not overlap" in apart["sentence"]
    assert "accepts 40% of them" in apart["sentence"]
    assert "chance" not in apart["sentence"]
    overlap = concluded(0.88, 0.9)
    assert overlap["verdict"] == "overlap"
    assert "the order is open" in overlap["sentence"]
