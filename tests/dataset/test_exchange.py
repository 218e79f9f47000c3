"""Data sets as folders that Keras reads, and points from a CSV file."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_data import small

from vaelib import dataset
from vaelib.dataset import exchange
from vaelib.errors import SettingError, StoreError


def table(folder):
    with (folder / "parameters.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read_by_keras(folder, labels):
    keras = pytest.importorskip("keras")
    batches = keras.utils.image_dataset_from_directory(
        folder, labels=labels, shuffle=False, color_mode="grayscale", image_size=(32, 32)
    )
    images, labels_read = zip(*[(np.asarray(image), np.asarray(label)) for image, label in batches], strict=True)
    return np.concatenate(images)[..., 0], np.concatenate(labels_read)


@pytest.mark.parametrize("region", ["full", "punctured", "thinned"])
def test_labels_from_the_table_fit_the_images_that_keras_reads(region, tmp_path):
    """Every image is drawn again from its label."""
    data = dataset.build(small(region=region))
    folder = exchange.export(data, tmp_path / "out")
    points = exchange.read_points(folder / "parameters.csv")
    names = np.array([row["split"] for row in table(folder)])
    for part, rows in [(".", names == names), *((name, names == name) for name in np.unique(names))]:
        images, labels = read_by_keras(folder / part, list(map(tuple, points[rows])))
        np.testing.assert_array_equal(labels, points[rows])
        np.testing.assert_array_equal(images, dataset.draw(labels, data.settings))
    assert len(points) == 300
    np.testing.assert_array_equal(np.unique(names)[read_by_keras(folder, "inferred")[1]], names)


def test_rows_are_sorted_by_file_which_keeps_the_order_of_the_draw_in_each_part(tmp_path):
    data = dataset.build(small(region="punctured"))
    folder = exchange.export(data, tmp_path / "out")
    files = [row["file"] for row in table(folder)]
    assert files == sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    order = np.concatenate([data.left_out, data.train, data.validation])
    points = exchange.read_points(folder / "parameters.csv")
    np.testing.assert_array_equal(points, data.parameters[order])
    again = dataset.build(small(region="punctured"), parameters=points)
    for part in ("train", "validation"):
        np.testing.assert_array_equal(again.images[getattr(again, part)], data.images[getattr(data, part)])


def test_names_sort_as_their_numbers_beyond_a_million_images(tmp_path, monkeypatch):
    n = 1_000_001
    monkeypatch.setattr(dataset.DataSet, "left_out", np.array([], np.int64))  # or a million files
    many = dataset.DataSet(
        parameters=np.ones((n, 2)),
        images=np.broadcast_to(np.zeros((2, 2), np.uint8), (n, 2, 2)),
        train=np.array([999_999, 1_000_000]),
        validation=np.array([0]),
        hole=np.array([], np.int64),
        weights=np.ones(n, np.float32),
        settings=small(),
    )
    files = [row["file"] for row in table(exchange.export(many, tmp_path / "out"))]
    assert files == ["train/0999999.png", "train/1000000.png", "validation/0000000.png"]


def test_parameters_csv_describes_every_image_and_can_be_read_back(tmp_path):
    data = dataset.build(small(region="thinned", sample_weights="per_image"))
    folder = exchange.export(data, tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == [
        "parameters.csv",
        "removed",
        "train",
        "validation",
    ]
    rows = {int(Path(row["file"]).stem): row for row in table(folder)}
    assert len(rows) == 300
    for index in (data.train[3], data.validation[0], data.left_out[-1]):
        row = rows[index]
        assert [float(row["a"]), float(row["b"])] == data.parameters[index].tolist()
        assert float(row["weight"]) == data.weights[index]
        assert row["file"].startswith(row["split"] + "/")
        np.testing.assert_array_equal(np.asarray(Image.open(folder / row["file"])), data.images[index])


def test_a_full_set_has_no_folder_of_left_out_images(tmp_path):
    (tmp_path / "empty").mkdir()
    folder = exchange.export(dataset.build(small(n_images=20)), tmp_path / "empty")
    assert not (folder / "hole").exists()


def test_export_refuses_a_folder_in_use_and_names_one_it_cannot_write(tmp_path):
    data = dataset.build(small(n_images=20))
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "thesis.txt").write_text("mine")
    with pytest.raises(SettingError, match="used' is not empty"):
        exchange.export(data, tmp_path / "used")
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["thesis.txt"]
    with pytest.raises(StoreError, match="cannot write"):
        exchange.export(data, tmp_path / "used" / "thesis.txt" / "out")


def test_read_points_takes_columns_in_any_order_and_skips_blank_lines(tmp_path):
    file = tmp_path / "points.csv"
    file.write_bytes('\ufeff"name", b ,a\n"x, y",0.5,"1"\n\ny,1e-1,2\n'.encode())
    np.testing.assert_array_equal(exchange.read_points(file), [[1.0, 0.5], [2.0, 0.1]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n1,two\n", r"points.csv, line 3, column b: 'two'; allowed: numbers from -4 to 4"),
        ("a,b\nnan,2\n", r"line 2, column a: 'nan'"),
        ("a,b\n1,inf\n", r"line 2, column b: 'inf'"),
        ("a,b\n1\n", r"line 2: 1 fields; allowed: 2, as the header is 'a,b'"),
        ("a,b,name\n1,1\n", r"line 2: 2 fields; allowed: 3"),
        ("a,b\n1,1\n1,1,0,3\n", r"line 3: 4 fields; allowed: 2.*commas, numbers have a decimal point"),
        ("a,b\n1,1,\n", r"line 2: 3 fields; allowed: 2"),
        ('a,b,name\n1,1,"two\nlines"\n1,1,x,y\n', r"line 4: 4 fields; allowed: 3"),
        ('a,b\n"1,1","0,3"\n', r"line 2, column a: '1,1'; allowed: numbers from -4 to 4, with a decimal point"),
        ("a;b\n1,1;0,3\n", r"'a' occurs 0 times.*the header is 'a;b'; fields are separated by commas"),
        ("\ufeffa\tb\n1\t1\n", r"'a' occurs 0 times.*fields are separated by commas"),
        ("a,b\n\n,1\n", r"line 3, column a: ''"),
        ("a,b\n5,0\n", r"line 2, column a: '5'"),
        ("a,b\n3,2\n", r"line 2, columns a and b: 3 and 2; allowed: \|a\| \+ \|b\| up to 4"),
        ("a,c\n1,2\n", r"line 1: column 'b' occurs 0 times.*'a,c'"),
        ("a,b,a\n1,2,3\n", r"line 1: column 'a' occurs 2 times"),
        ("", r"line 1: column 'a' occurs 0 times"),
        ("a,b\n", r"has no points"),
    ],
)
def test_read_points_names_file_line_column_and_value(tmp_path, text, message):
    file = tmp_path / "points.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingError, match=message):
        exchange.read_points(file)


def test_read_points_names_a_file_that_is_missing_or_not_text(tmp_path):
    (tmp_path / "image.png").write_bytes(b"\x89PNG\xff\xfe\x00")
    for name in ("image.png", "missing.csv"):
        with pytest.raises(SettingError, match=f"{name} cannot be read as a CSV file"):
            exchange.read_points(tmp_path / name)
