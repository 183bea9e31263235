"""Static files are a closed list, cached by their content, and legible."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from shared.pages import Asset, asset
from shared.pages.assets import asset_address

STATIC = Path(__file__).parents[2] / "shared/pages/static"


def served(name: str, version: str | None = None) -> Asset:
    """Return a static file that must exist."""
    found = asset(name, version)
    assert found is not None
    return found


@pytest.mark.parametrize("name", [path.name for path in STATIC.iterdir()])
def test_every_static_file_is_served_as_what_it_is(name: str) -> None:
    """The bytes, the media type and protection against being taken for something else."""
    found = served(name)
    assert found.body == (STATIC / name).read_bytes()
    assert found.headers["Content-Type"] == found.media_type
    assert found.media_type.startswith({".css": "text/css", ".svg": "image/svg+xml"}[Path(name).suffix])
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert found.headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("name", ["", ".", "..", "../views.py", "/etc/passwd", "style.css/", "STYLE.CSS", "none.css"])
def test_nothing_else_is_served(name: str) -> None:
    """A name is looked up in a list and never on the disk."""
    assert asset(name) is None
    with pytest.raises(KeyError):
        asset_address(name)


def test_only_the_right_version_may_be_kept() -> None:
    """By its own version a file is kept for a year; by another or none it is asked for again."""
    version = asset_address("style.css").partition("?v=")[2]
    assert served("style.css", version).headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert served("style.css", "0" * 16).headers["Cache-Control"] == "no-cache"
    assert served("style.css").headers["Cache-Control"] == "no-cache"
    assert version in served("style.css").headers["ETag"]


def test_static_files_load_nothing() -> None:
    """The style sheet imports nothing and fetches nothing, the logo holds no script."""
    style = served("style.css").body.decode()
    assert "@import" not in style
    assert "url(" not in style
    logo = served("logo.svg").body.decode()
    assert "<script" not in logo
    assert "href" not in logo


def luminance(colour: str) -> float:
    """Return the relative luminance of #rrggbb (WCAG 2.2, definition of relative luminance)."""
    channels = [int(colour[start:end], 16) / 255 for start, end in pairwise((1, 3, 5, 7))]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        *[("ink", ground) for ground in ("ground", "paper", "tint", "warn-tint")],
        *[("quiet", ground) for ground in ("ground", "paper", "tint")],
        *[("accent", ground) for ground in ("ground", "paper")],
        ("on-accent", "accent"),
        ("warn", "paper"),
    ],
)
def test_text_stands_out(ink: str, ground: str, scheme: int) -> None:
    """Every pair of colours in which text is written has the contrast of WCAG 2.2 AA (1.4.3), in light and dark."""
    blocks = re.findall(r":root \{(.*?)\}", served("style.css").body.decode(), re.DOTALL)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", blocks[scheme]))
    lighter, darker = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5
