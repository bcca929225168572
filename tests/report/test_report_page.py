"""The page as a browser would see it."""

import base64
import io
import re

import numpy as np
import pytest
import report_made as made
from PIL import Image

from latentia.report import write_report

SCRIPT = made.SCRIPT
parse, table, table_fit, images, image_fit = made.parse, made.table, made.table_fit, made.images, made.image_fit


@pytest.fixture(scope="module", autouse=True)
def coarse():
    """Coarse pictures, which are drawn sooner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("latentia.explore.style.DPI", 50)
        yield


@pytest.fixture(scope="module")
def hostile(table_fit, table, parse, tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "deep" / "r.html"
    notes = (f"note {SCRIPT}", "{% include 'x' %}", "half of \ud800 a pair")
    assert write_report(table_fit, table, path, title=f"title {SCRIPT} {{{{7*7}}}}", notes=notes) == path
    return path, parse(path)


@pytest.fixture(scope="module")
def pictured(image_fit, images, parse, tmp_path_factory):
    path = write_report(image_fit, images, tmp_path_factory.mktemp("pictured") / "r.html")
    return path, parse(path)


@pytest.fixture(scope="module")
def pages(hostile, pictured):
    return [hostile, pictured]


def test_nothing_is_loaded_from_anywhere(pages):
    for path, page in pages:
        links = [attrs[key] for _, attrs in page.tags for key in ("src", "href", "action", "data") if key in attrs]
        assert links
        assert all(link.startswith(("data:image/png;base64,", "#")) for link in links)
        html = path.read_text(encoding="utf-8")
        assert not re.search(r"url\(|@import|http-equiv=.refresh", html)
        assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "form", "base"}
        assert not [key for _, attrs in page.tags for key in attrs if key.startswith("on")]


def test_scripts_are_forbidden_by_the_page_itself(pages):
    for _, page in pages:
        policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
        assert "default-src 'none'" in policy
        assert "script" not in policy


def test_every_picture_is_a_whole_png_with_words_for_those_who_cannot_see_it(pages):
    for path, page in pages:
        assert len(page.all("img")) >= 7
        for img in page.all("img"):
            data = base64.b64decode(img["src"].partition(",")[2], validate=True)
            Image.open(io.BytesIO(data)).verify()
            assert img["alt"].strip()
        assert path.stat().st_size < 5_000_000


def test_headings_and_contents_belong_together(pages):
    for _, page in pages:
        ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
        assert len(ids) == len(set(ids))
        targets = [a["href"][1:] for a in page.all("a")]
        sections = [a["id"] for a in page.all("section")]
        assert targets == sections
        assert len(page.all("h1")) == 1
        assert len(page.all("h2")) == len(sections)


def test_names_labels_title_and_notes_are_text(hostile):
    path, page = hostile
    html = path.read_text(encoding="utf-8")
    assert "<script" not in html
    assert "onerror" not in html.replace("&#34;&gt;&lt;img src=x onerror=alert(1)&gt;", "")
    for text in (f"title {SCRIPT} {{{{7*7}}}}", f"data {SCRIPT} {{{{7*7}}}}", f"from {SCRIPT}", f"note {SCRIPT}"):
        assert text in page.text
    assert "half of ? a pair" in page.text
    assert "{% include 'x' %}" in page.text
    assert re.search(r"title .* 49", page.text) is None


def test_a_table_has_its_sections(hostile):
    _, page = hostile
    ids = [a["id"] for a in page.all("section")]
    assert ids == [
        "fit",
        "learning",
        "evidence",
        "reconstructions",
        "samples",
        "map",
        "units",
        "traversals",
        "interpolation",
    ]


def test_pictures_have_a_plane_and_evidence_of_the_test_rows(pictured, image_fit, images):
    _, page = pictured
    assert "plane" in [a["id"] for a in page.all("section")]
    assert "test rows" in page.text
    bound = image_fit.evidence(images.test.x, "elbo", n_samples=32).mean
    assert f"≥ {bound:.3f}".replace("-", "−") in page.text
    weighted = image_fit.evidence(images.test.x, "importance", n_samples=128)
    assert f"≥ {weighted.mean:.2f}".replace("-", "−") in page.text
    bits = -weighted.mean / (12 * np.log(2))
    assert f"≤ {bits:.3f}" in page.text


def test_what_was_fitted_is_said(pictured, image_fit):
    _, page = pictured
    for text in (
        *image_fit.plan_.sentences,
        image_fit.fit_.status,
        "4 × 3 pixels",
        "rows learnt from: 72",
        "while learning: 8",
    ):
        assert text in page.text
    for library, version in image_fit.fit_.versions.items():
        assert f"{library} {version}" in page.text
