"""Folders of pictures."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import latentia.data as data
from latentia.errors import DataError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (4, 5, 6), np.uint8)
COLOUR = RNG.integers(0, 256, (4, 5, 6, 3), np.uint8)


def _save(folder, images, ending=".png"):
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:02}{ending}")
    return folder


@pytest.mark.parametrize("images", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif", ".PNG"])
def test_pictures_come_back_as_they_were(tmp_path, images, ending):
    got = data.load(_save(tmp_path / "f", images, ending))
    np.testing.assert_array_equal(got.x, images.reshape(4, -1))
    assert got.image_shape == images.shape[1:]
    assert (got.name, got.label, got.x.dtype) == ("f", None, np.uint8)


def test_jpeg_comes_back_nearly(tmp_path):
    smooth = np.broadcast_to(np.linspace(0, 255, 16).astype(np.uint8), (2, 16, 16))
    got = data.load(_save(tmp_path, smooth, ".jpg"))
    assert np.abs(got.x.reshape(2, 16, 16).astype(int) - smooth).max() < 12


def test_other_modes(tmp_path):
    Image.fromarray(GREY[0]).convert("1").save(tmp_path / "0.png")
    Image.fromarray(GREY[0]).convert("LA").save(tmp_path / "1.png")
    assert data.load(tmp_path).image_shape == (5, 6)
    deep = tmp_path / "deep"
    _save(deep, (GREY.astype(np.uint16) * 256)[:2])
    np.testing.assert_array_equal(data.load(deep).x, GREY[:2].reshape(2, -1).astype(np.uint16) * 256)


def test_sub_folders_are_classes(tmp_path):
    _save(tmp_path / "cat", GREY[:1])
    _save(tmp_path / "dog" / "more", GREY[1:3])
    _save(tmp_path / ".hidden", COLOUR)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "ring").symlink_to(tmp_path)
    got = data.load(tmp_path)
    assert got.label is not None
    assert got.label.tolist() == ["cat", "dog", "dog"]
    np.testing.assert_array_equal(got.x, GREY[:3].reshape(3, -1))


def test_the_folder_that_one_stands_in_has_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(_save(tmp_path / "here", GREY))
    assert data.load(".").name == "here"


def _huge_png():
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 40_000, 25_000, 8, 0, 0, 0, 0)  # a billion pixels
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


BAD = {
    "empty folder": (lambda f: None, "holds nothing"),
    "other files": (lambda f: (f / "a.csv").write_text("a"), r"holds 'a\.csv'"),
    "size": (lambda f: Image.new("L", (7, 5)).save(f / "zz.png"), r"zz\.png is 5 x 7 grey .*00\.png .* 5 x 6 grey"),
    "colour": (lambda f: Image.new("RGB", (6, 5)).save(f / "zz.png"), r"zz\.png is 5 x 6 colour"),
    "depth": (lambda f: Image.fromarray(GREY[0].astype(np.uint16)).save(f / "zz.png"), r"zz\.png is .* uint16"),
    "other format": (lambda f: Image.new("L", (6, 5)).save(f / "00.png", format="GIF"), "cannot be read"),
    "mixed levels": (lambda f: _save(f / "cat", GREY), "both beside and in its sub-folders"),
    "cut off": (lambda f: (f / "01.png").write_bytes((f / "01.png").read_bytes()[:60]), r"01\.png cannot be read"),
    "empty picture": (lambda f: (f / "01.png").write_bytes(b""), r"01\.png cannot be read"),
    "bomb": (lambda f: (f / "00.png").write_bytes(_huge_png()), r"00\.png .*decompression bomb"),
    "large": (lambda f: Image.new("1", (10_000, 10_000)).save(f / "00.png"), r"00\.png .*decompression bomb"),
    "postscript": (lambda f: (f / "00.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n"), "cannot be read"),
    "several": (
        lambda f: Image.new("L", (6, 5)).save(f / "00.tif", save_all=True, append_images=[Image.new("L", (6, 5))]),
        "several pictures",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_folders(tmp_path, case):
    spoil, words = BAD[case]
    folder = tmp_path / "f"
    folder.mkdir() if case in ("empty folder", "other files") else _save(folder, GREY)
    spoil(folder)
    with pytest.raises(DataError, match=words):
        data.load(folder)


def test_too_many_pictures_for_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("latentia.data.images.MAX_BYTES", 4 * 5 * 6 - 1)
    with pytest.raises(DataError, match="Shrink them"):
        data.load(_save(tmp_path, GREY))
