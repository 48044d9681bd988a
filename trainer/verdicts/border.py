"""The verdict on border.json: whether a network learns black corners as a shortcut."""

from typing import Any

from trainer.verdicts.wording import percent, points_interval

TRAINING = {"none": "whole photos", "crops": "random crops"}  # by augmentation


def conclude(found: dict[str, Any]) -> dict[str, Any]:
    """Judge each pair of networks, trained on clean photos and on photos with corners.

    found: what border.json holds; its rows, changes and heatmaps are read.

    Returns:
        found with `verdicts`, a row an augmentation: verdict ("shortcut" where the species with
        corners lose accuracy on clean photos, by the interval; else "none"), in_heatmaps (whether
        more of the heatmap lies in the corners than with the clean network) and sentence.
    """
    verdicts = []
    for way in dict.fromkeys(row["augmentation"] for row in found["rows"]):
        lost = {
            row["group"]: row
            for row in found["changes"]
            if (row["augmentation"], row["asked"]) == (way, "clean")
        }
        shares = {
            row["trained"]: row
            for row in found["heatmaps"]
            if (row["augmentation"], row["asked"]) == (way, "black")
        }
        rows = {
            (row["trained"], row["asked"], row["group"]): row
            for row in found["rows"]
            if row["augmentation"] == way
        }
        shortcut = lost["bordered"]["high"] < 0
        in_heatmaps = shares["bordered"]["low"] > shares["clean"]["high"]
        count = len(found["species"])
        right = [percent(rows["bordered", a, "bordered"]["accuracy"]) for a in ("black", "clean")]
        taken = [rows["bordered", a, "others"]["taken"] for a in ("black", "clean")]
        heat = [shares[trained]["value"] for trained in ("bordered", "clean")]
        became = "become a shortcut" if shortcut else "become no measurable shortcut"
        lies = "More" if in_heatmaps else "No more"
        sentence = (
            f"**Trained on {TRAINING[way]}, the corners {became}.** The network is right on "
            f"{right[0]} of the {count} species' photos with corners and on {right[1]} of the same "
            f"photos without. Against the network trained on clean photos, its accuracy on clean "
            f"photos changes by {points_interval(lost['bordered'])} points for the {count} species "
            f"and by {points_interval(lost['others'])} for the others. With corners, it takes "
            f"{taken[0]:.0%} of the other species' photos for one of the {count}; without, "
            f"{taken[1]:.0%}. {lies} of its heatmap lies in the corners: {heat[0]:.0%} against "
            f"{heat[1]:.0%}."
        )
        verdicts.append(
            {
                "augmentation": way,
                "verdict": "shortcut" if shortcut else "none",
                "in_heatmaps": in_heatmaps,
                "sentence": sentence,
            }
        )
    return found | {"verdicts": verdicts}
