"""The cache of images: what it keeps apart, and what becomes of a damaged one."""

import warnings

import numpy as np
import pytest
from small_data import small

from vaelib import curves, dataset, storage
from vaelib.errors import StoreError


def no_rendering(*arguments, **settings):
    raise AssertionError("rendered, though the cache has the images")


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


def test_the_cache_may_be_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAELIB_CACHE", "~/kept")
    dataset.build(small())
    assert list((tmp_path / "kept").glob("*.uint8"))


def test_the_square_framings_cached_images_keep_their_name(cache_folder):
    dataset.build(small())
    assert [file.name for file in cache_folder.glob("*.uint8")] == ["images-bebacc202f35fa60.uint8"]


def test_a_flipped_byte_is_noticed_and_the_file_moved_aside(cache_folder):
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
