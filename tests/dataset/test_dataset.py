"""Points, split, weights, transects, cache and export of the data set."""

import csv
import importlib
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vaelib import curves, dataset, storage
from vaelib.dataset import exchange, images
from vaelib.errors import SettingError, StoreError
from vaelib.experiment import PARAMETER_RANGE, DataSettings, Experiment

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("VAELIB_CACHE", str(folder))
    return folder


def small(**settings):
    return DataSettings(**{"n_images": 300, "image_size": 32, "line_width": 1.2, **settings})


@pytest.fixture(scope="module")
def five_thousand():
    """Return the study's number of images, small, for each region."""
    return {
        region: dataset.build(small(n_images=5000, region=region), cache=False)
        for region in ("full", "punctured", "thinned")
    }


def no_rendering(*arguments, **settings):
    raise AssertionError("rendered, though the cache has the images")


# Points and split


def test_full_set_splits_as_in_the_study(five_thousand):
    data = five_thousand["full"]
    assert data.images.shape == (5000, 32, 32)
    assert data.images.dtype == np.uint8
    np.testing.assert_array_equal(data.train, np.arange(4499))
    np.testing.assert_array_equal(data.validation, np.arange(4499, 5000))
    assert len(data.left_out) == 0
    assert data.train.dtype == data.validation.dtype == data.hole.dtype == np.int64


def test_points_are_uniform_in_the_parameter_space(five_thousand):
    parameters = five_thousand["full"].parameters
    assert parameters.shape == (5000, 2)
    assert parameters.dtype == np.float64
    for column, (low, high) in zip(parameters.T, PARAMETER_RANGE.values(), strict=True):
        assert low <= column.min() < low + 0.01
        assert high - 0.01 < column.max() <= high
        assert column.mean() == pytest.approx((low + high) / 2, abs=0.03)
    # π·0.3²/3 of 5,000 are expected in the hole: 471, with a standard deviation of 21.
    assert abs(len(five_thousand["full"].hole) - 471) < 85


def test_punctured_set_leaves_out_the_disc_and_nothing_else(five_thousand):
    data = five_thousand["punctured"]
    distance = np.hypot(data.parameters[:, 0] - 1.25, data.parameters[:, 1] - 1.0)
    np.testing.assert_array_equal(data.hole, np.flatnonzero(distance < 0.3))
    np.testing.assert_array_equal(data.left_out, data.hole)
    n_remaining = 5000 - len(data.hole)
    assert len(data.validation) == round(n_remaining * 211 / 4510)
    assert len(data.train) + len(data.validation) == n_remaining
    assert data.train.max() < data.validation.min()


def test_punctured_set_splits_as_in_the_study():
    """Its draw had 490 of 5,000 points in the hole; of the 4,510 others the last 211 validate."""
    settings = small(region="punctured")
    drawn = np.random.default_rng(3).uniform([0.5, 0.0], [2.0, 2.0], size=(6000, 2))
    points = np.concatenate([dataset.points_in_hole(490, settings), drawn[~dataset.in_hole(drawn, settings)][:4510]])
    data = dataset.build(settings, parameters=np.random.default_rng(4).permutation(points), cache=False)
    assert (len(data.parameters), len(data.hole)) == (5000, 490)
    assert (len(data.train), len(data.validation)) == (4299, 211)
    remaining = np.setdiff1d(np.arange(5000), data.hole)
    np.testing.assert_array_equal(data.validation, remaining[-211:])


def test_thinned_set_leaves_out_as_many_anywhere(five_thousand):
    punctured, thinned = five_thousand["punctured"], five_thousand["thinned"]
    assert len(thinned.left_out) == len(punctured.left_out)
    assert len(thinned.train) == len(punctured.train)
    np.testing.assert_array_equal(thinned.hole, punctured.hole)
    # About a tenth of the removed are in the hole by chance, and most of the hole is trained on.
    assert 0.02 < np.isin(thinned.left_out, thinned.hole).mean() < 0.2
    assert thinned.train.max() < thinned.validation.min()


@pytest.mark.parametrize("region", ["full", "punctured", "thinned"])
def test_splits_are_disjoint_ordered_and_complete(five_thousand, region):
    data = five_thousand[region]
    together = np.concatenate([data.train, data.validation, data.left_out])
    np.testing.assert_array_equal(np.sort(together), np.arange(5000))
    assert (np.diff(np.concatenate([data.train, data.validation])) > 0).all()


@pytest.mark.parametrize("region", ["full", "punctured", "thinned"])
def test_the_training_size_is_known_without_images(region, monkeypatch):
    settings = Experiment.from_profile("smoke", region=region)
    expected = len(dataset.build(settings).train)
    monkeypatch.setattr(images, "draw", None)
    assert dataset.training_size(settings) == dataset.training_size(settings.data) == expected
    with pytest.raises(SettingError, match="0 validate"):
        dataset.training_size(settings.replace(n_images=20, region="punctured", hole_radius=1.0))


def test_regions_share_points_and_images(five_thousand):
    for region in ("punctured", "thinned"):
        np.testing.assert_array_equal(five_thousand[region].parameters, five_thousand["full"].parameters)
        np.testing.assert_array_equal(five_thousand[region].images, five_thousand["full"].images)


def test_images_are_those_of_the_points(five_thousand):
    data = five_thousand["full"]
    for index in (0, 511, 512, 4999):  # also on both sides of a slab's end
        image = curves.render(*data.parameters[index], image_size=32, line_width=1.2, framing="square")[0]
        np.testing.assert_array_equal(data.images[index], image)


def test_the_same_settings_give_the_same_set_and_another_seed_another():
    one, two, other = (dataset.build(small(data_seed=s, region="thinned"), cache=False) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.parameters, two.parameters)
    np.testing.assert_array_equal(one.images, two.images)
    np.testing.assert_array_equal(one.train, two.train)
    assert not np.array_equal(one.parameters, other.parameters)


def test_an_experiment_is_as_good_as_its_data():
    experiment = Experiment.from_profile("smoke", n_images=40)
    data = dataset.build(experiment)
    assert data.settings == experiment.data
    np.testing.assert_array_equal(data.images, dataset.build(experiment.data).images)


def test_images_are_read_only():
    for _ in range(2):  # made, then read from the cache
        assert not dataset.build(small()).images.flags.writeable


def test_own_points():
    points = [[1.0, 0.5], [1.25, 1.0], [0.5, 2.0]] * 10
    data = dataset.build(small(region="punctured"), parameters=points)
    np.testing.assert_array_equal(data.parameters, points)
    np.testing.assert_array_equal(data.hole, np.arange(1, 30, 3))
    assert data.settings.n_images == 30
    assert len(data.validation) == 1


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([[1.0, 2.0, 3.0]], r"parameters has shape \(1, 3\)"),
        (np.zeros((0, 2)), r"parameters has shape \(0, 2\)"),
        ([[1.0, 1.0], [np.nan, 1.0]], r"parameters\[1\] = \[nan, 1.0\]"),
        ([[3.0, 2.0]], r"parameters\[0\] = \[3.0, 2.0\]; .*up to 4"),
        ([["a", "b"]], "parameters; allowed: numbers"),
    ],
)
def test_wrong_own_points_are_named(points, message):
    with pytest.raises(SettingError, match=message):
        dataset.build(small(), parameters=points)


def test_a_cut_that_leaves_too_little_says_so():
    with pytest.raises(SettingError, match="with 0 images left out, 3 train and 0 validate"):
        dataset.build(small(n_images=20), parameters=np.full((3, 2), 1.0))
    with pytest.raises(SettingError, match=r"hole_radius = 1.*30 images left out, 0 train and 0 validate"):
        dataset.build(small(region="punctured", hole_radius=1.0), parameters=np.full((30, 2), 1.1))


def test_in_hole_excludes_its_edge():
    settings = small(hole_a=1.0, hole_b=1.0, hole_radius=0.5)
    found = dataset.in_hole([[1.0, 1.0], [1.5, 1.0], [1.499, 1.0], [1.0, 0.4]], settings)
    assert found.tolist() == [True, False, True, False]
    assert not dataset.in_hole([[1.0, 1.0]], small(hole_a=1.0, hole_b=1.0, hole_radius=0.0)).any()


# Weights


@pytest.mark.parametrize("kind", ["per_image", "per_batch"])
@pytest.mark.parametrize("region", ["full", "punctured", "thinned"])
def test_weights_fall_with_b_from_two_to_nought(kind, region):
    data = dataset.build(small(sample_weights=kind, region=region))
    kept = np.concatenate([data.train, data.validation])
    b = data.parameters[:, 1]
    order = np.argsort(b)
    assert data.weights.dtype == np.float32
    assert data.weights[kept].min() == 0.0
    assert data.weights[kept].max() == 2.0
    assert data.weights.min() >= 0
    assert data.weights.max() <= 2
    assert (np.diff(data.weights[order]) <= 0).all()
    # The study's recipe: -1.5·b, shifted and scaled to [0, 1] over the set, doubled.
    raw = -1.5 * b[kept]
    np.testing.assert_allclose(
        data.weights[kept], 2 * (raw - raw.min()) / (raw.max() - raw.min()), rtol=1e-5, atol=1e-6
    )


def test_weights_are_one_without_weighting_and_where_all_b_are_equal():
    assert (dataset.build(small()).weights == 1).all()
    points = np.stack([np.linspace(0.5, 2, 30), np.full(30, 1.0)], axis=1)
    assert (dataset.build(small(sample_weights="per_image"), parameters=points).weights == 1).all()


# Transects, grid, montage


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("P1", (1.25, 0), (1.25, 2)), ("P2", (0.5, 1), (2, 1)), ("P3", (0.5, 2), (2, 0))],
)
def test_transects_run_through_the_holes_centre(name, first, last):
    points = dataset.transect(name)
    assert points.shape == (15, 2)
    np.testing.assert_array_equal(points[[0, -1]], [first, last])
    np.testing.assert_allclose(points[7], [1.25, 1.0])
    np.testing.assert_allclose(np.diff(points, axis=0), np.tile(points[1] - points[0], (14, 1)), atol=1e-12)
    assert len(dataset.transect(name, 7)) == 7


def test_a_hole_that_a_transect_misses_is_named():
    dataset.check_transects(small())
    dataset.check_transects(small(hole_a=0.7, hole_radius=0.56))  # P1 is 0.55 away, and one of its points is at b = 1
    with pytest.raises(SettingError, match=r"hole_a = 0.7, hole_b = 1, hole_radius = 0.54: no point .* P1 lies"):
        dataset.check_transects(small(hole_a=0.7, hole_radius=0.54))


def test_unknown_transect_is_named():
    with pytest.raises(SettingError, match="transect = 'P4'; allowed: P1, P2, P3"):
        dataset.transect("P4")
    with pytest.raises(SettingError, match="n = 1"):
        dataset.transect("P1", 1)


def test_transect_images_have_their_own_line_width():
    images = dataset.transect_images("P2", small(transect_line_width=3.0))
    assert images.shape == (15, 32, 32)
    alone = curves.render(0.5, 1.0, image_size=32, line_width=3.0, framing="square")
    np.testing.assert_array_equal(images[0], alone[0])


def test_grid_has_a_to_the_right_and_b_downward():
    points = dataset.grid(10).reshape(10, 10, 2)
    np.testing.assert_allclose(points[0, :, 0], np.linspace(0.5, 2, 10))
    assert (points[0, :, 1] == 0).all()
    assert (points[-1, :, 1] == 2).all()
    assert (points[:, 0, 0] == 0.5).all()


def test_montage_goes_row_by_row():
    images = np.arange(5, dtype=np.uint8)[:, None, None] + np.zeros((5, 2, 3), dtype=np.uint8) + 1
    sheet = dataset.montage(images, 2)
    assert sheet.shape == (6, 6)
    assert sheet.dtype == np.uint8
    assert sheet[::2, ::3].tolist() == [[1, 2], [3, 4], [5, 0]]
    with pytest.raises(ValueError, match="columns = 0"):
        dataset.montage(images, 0)
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        dataset.montage(images[0], 1)


# Cache


def test_cached_images_are_read_and_not_drawn_again(cache_folder, monkeypatch):
    first = dataset.build(small())
    assert list(cache_folder.glob("*.uint8"))
    monkeypatch.setattr(curves, "render", no_rendering)
    again = dataset.build(small())
    np.testing.assert_array_equal(again.images, first.images)
    # What does not change a pixel shares the images.
    dataset.build(small(region="punctured", hole_radius=0.2, sample_weights="per_image", transect_line_width=3))


@pytest.mark.parametrize(
    "change",
    [{"n_images": 301}, {"image_size": 40}, {"line_width": 1.3}, {"framing": "study"}, {"data_seed": 1}],
)
def test_every_setting_that_changes_a_pixel_has_images_of_its_own(change, monkeypatch):
    dataset.build(small())
    monkeypatch.setattr(curves, "render", no_rendering)
    with pytest.raises(AssertionError, match="rendered"):
        dataset.build(small(**change))


def test_own_points_and_a_new_rasteriser_have_images_of_their_own(monkeypatch):
    data = dataset.build(small())
    moved = data.parameters.copy()
    moved[5, 1] = 0.123
    own = dataset.build(small(), parameters=moved)
    assert not np.array_equal(own.images[5], data.images[5])
    monkeypatch.setattr(curves, "render", no_rendering)
    np.testing.assert_array_equal(dataset.build(small(), parameters=moved).images, own.images)
    monkeypatch.setattr(curves, "RASTERISER_VERSION", curves.RASTERISER_VERSION + 1)
    with pytest.raises(AssertionError, match="rendered"):
        dataset.build(small())


@pytest.mark.parametrize("points", [None, [[1.0, 0.5]] * 30])
def test_a_framing_that_moves_its_curves_has_new_images_and_the_other_keeps_its_own(points, monkeypatch):
    for framing in curves.FRAMINGS:
        dataset.build(small(framing=framing), parameters=points)
    monkeypatch.setattr(curves, "FRAMING_VERSIONS", {"square": 1, "study": 3})
    monkeypatch.setattr(curves, "render", no_rendering)
    dataset.build(small(framing="square"), parameters=points)
    with pytest.raises(AssertionError, match="rendered"):
        dataset.build(small(framing="study"), parameters=points)


def test_the_cache_may_lie_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAELIB_CACHE", "~/kept")
    dataset.build(small())
    assert list((tmp_path / "kept").glob("*.uint8"))


def test_the_square_framings_cached_images_keep_their_name(cache_folder):
    dataset.build(small())
    assert [file.name for file in cache_folder.glob("*.uint8")] == ["images-bebacc202f35fa60.uint8"]


def test_a_flipped_byte_is_noticed_and_the_file_kept_aside(cache_folder):
    good = dataset.build(small()).images
    (file,) = cache_folder.glob("*.uint8")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.warns(UserWarning, match="checksum differs.*moved aside"):
        again = dataset.build(small()).images
    np.testing.assert_array_equal(again, good)
    (aside,) = cache_folder.glob("*.uint8.damaged-1")
    assert aside.read_bytes() == bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(dataset.build(small()).images, good)


@pytest.mark.parametrize("text", ["", "{", '{"shape": [1]}'])
def test_a_damaged_index_is_noticed(cache_folder, text):
    good = dataset.build(small()).images
    (index,) = cache_folder.glob("*.json")
    index.write_text(text)
    with pytest.warns(UserWarning, match="moved aside"):
        np.testing.assert_array_equal(dataset.build(small()).images, good)


def test_missing_and_truncated_pixels_are_made_again(cache_folder):
    good = dataset.build(small()).images
    (file,) = cache_folder.glob("*.uint8")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="moved aside"):
        np.testing.assert_array_equal(dataset.build(small()).images, good)
    file.unlink()
    with pytest.warns(UserWarning, match="made again"):
        np.testing.assert_array_equal(dataset.build(small()).images, good)


def test_a_cache_that_cannot_be_written_costs_a_warning(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("VAELIB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match="not cached"):
        data = dataset.build(small())
    np.testing.assert_array_equal(data.images, dataset.build(small(), cache=False).images)


def test_a_full_disk_costs_a_warning_and_no_second_drawing(monkeypatch):
    drawn = []
    render = curves.render
    monkeypatch.setattr(curves, "render", lambda *a, **k: drawn.append(1) or render(*a, **k))

    def full(path, content):
        raise StoreError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(storage, "write", full)
    with pytest.warns(UserWarning, match="No space left"):
        assert len(dataset.build(small()).images) == 300
    assert len(drawn) == 1


def test_without_cache_nothing_is_written(cache_folder):
    dataset.build(small(), cache=False)
    assert not cache_folder.exists()


# Export and points from a file


def table(folder):
    with (folder / "parameters.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read_by_keras(folder, labels):
    keras = pytest.importorskip("keras")
    batches = keras.utils.image_dataset_from_directory(
        folder, labels=labels, shuffle=False, color_mode="grayscale", image_size=(32, 32)
    )
    images, found = zip(*[(np.asarray(image), np.asarray(label)) for image, label in batches], strict=True)
    return np.concatenate(images)[..., 0], np.concatenate(found)


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


def test_parameters_csv_tells_all_and_can_be_read_back(tmp_path):
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
        ("a;b\n1,1;0,3\n", r"'a' is there 0 times.*the header is 'a;b'; fields are separated by commas"),
        ("\ufeffa\tb\n1\t1\n", r"'a' is there 0 times.*fields are separated by commas"),
        ("a,b\n\n,1\n", r"line 3, column a: ''"),
        ("a,b\n5,0\n", r"line 2, column a: '5'"),
        ("a,b\n3,2\n", r"line 2, columns a and b: 3 and 2; allowed: \|a\| \+ \|b\| up to 4"),
        ("a,c\n1,2\n", r"line 1: column 'b' is there 0 times.*'a,c'"),
        ("a,b,a\n1,2,3\n", r"line 1: column 'a' is there 2 times"),
        ("", r"line 1: column 'a' is there 0 times"),
        ("a,b\n", r"has no points"),
    ],
)
def test_read_points_names_file_line_column_and_value(tmp_path, text, message):
    file = tmp_path / "points.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingError, match=message):
        exchange.read_points(file)


def test_read_points_of_no_text_file(tmp_path):
    (tmp_path / "image.png").write_bytes(b"\x89PNG\xff\xfe\x00")
    for name in ("image.png", "missing.csv"):
        with pytest.raises(SettingError, match=f"{name} cannot be read as a CSV file"):
            exchange.read_points(tmp_path / name)


def test_the_holes_outline_is_its_edge_closed_and_within_the_parameter_space():
    settings = Experiment.from_profile("smoke")
    edge = dataset.hole_outline(settings, 13)
    np.testing.assert_allclose(np.hypot(*(edge - [settings.hole_a, settings.hole_b]).T), settings.hole_radius)
    np.testing.assert_allclose(edge[0], edge[-1], atol=1e-12)
    wide = dataset.hole_outline(settings.replace(hole_radius=1.0))
    assert wide[:, 0].min() == 0.5 and wide[:, 0].max() == 2


# Memory, and the benchmark that measures it


def test_drawing_five_thousand_large_images_takes_little_memory_beyond_them():
    """In a process of its own, whose peak tells; the images themselves are 328 MB."""
    program = """
import common
from vaelib import dataset
from vaelib.experiment import DataSettings
settings = DataSettings(n_images=5000, image_size=256, line_width=1.42)
dataset.build(settings.model_copy(update={"n_images": 20}), cache=False)
before = common.resident()
images = dataset.build(settings, cache=False).images
print(images.nbytes, common.peak_resident() - before - images.nbytes)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=BENCHMARKS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result, beyond = map(int, done.stdout.split())
    assert result == 5000 * 256**2
    assert beyond < 200e6


@pytest.mark.parametrize(
    ("times", "memory", "words", "missed"),
    [
        (25.0, 6e6, "", ""),
        (19.0, 6e6, "", "not met: at least 20 times as fast as matplotlib"),
        (25.0, 3e8, "--images 2000", "not met: memory under 200 MB"),
        (19.0, 3e8, "", "not met: at least 20 times as fast as matplotlib; memory under 200 MB"),
        (19.0, 3e8, "--pairs 1", ""),  # too small a run to judge by
    ],
)
def test_a_missed_target_fails_the_whole_benchmark(times, memory, words, missed, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(BENCHMARKS)
    benchmark, common = importlib.import_module("dataset"), importlib.import_module("common")
    speed = common.spread([times])
    found = {
        "machine": common.machine("matplotlib", "pillow"),
        "images_per_second": dict.fromkeys(benchmark.NAMES, speed),
        "times": dict.fromkeys(benchmark.NAMES[1:], speed),
        "extra_memory_bytes": memory,
        "errors": {name: {"mean_absolute": 0.1, "root_mean_square": 0.5} for name in benchmark.NAMES},
        "targets": benchmark.judge(times, memory),
    }
    monkeypatch.setattr(benchmark, "measure", lambda *numbers: found)
    monkeypatch.setattr(sys, "argv", ["dataset.py", "--json", str(tmp_path / "new" / "d.json"), *words.split()])
    if missed:
        with pytest.raises(SystemExit) as ended:
            benchmark.main()
        assert ended.value.code == missed
    else:
        benchmark.main()
    assert (tmp_path / "new" / "d.json").exists()
    assert capsys.readouterr().out.count("NOT met") == (times < 20) + (memory > 2e8)
