"""The study's four trainings, made small."""

NAMES = ["punctured-weighted", "punctured", "full-gamma0.0001", "full-gamma0.001"]
SMALL = {"image_size": 32, "n_images": 60, "epochs": 1, "width": 0.125}
