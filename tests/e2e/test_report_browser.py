"""The report in a real browser: it renders, breaks none of its own rules, fits a phone, and prints whole."""

from __future__ import annotations

import html
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from report.build import build_report
from tests.unit.report_page import read_page
from tests.unit.report_views import results_and_views
from tests.unit.report_warehouses import check_result, make_warehouse, study

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed to show the report with")


def chromium(page: Path, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Open a page without a screen and without the network; its console is in what goes to standard error."""
    assert CHROMIUM is not None
    quiet = "--disable-background-networking --disable-component-update --disable-sync --no-first-run --disable-gpu"
    call = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            *quiet.split(),
            "--enable-logging=stderr",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            *options,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert call.returncode == 0, call.stderr[-2000:]
    return call


def console(call: subprocess.CompletedProcess[str]) -> list[str]:
    """Messages the page itself caused."""
    return [line for line in call.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with everything in it and names that hold markup."""
    folder = tmp_path_factory.mktemp("report")
    rows = study(name="<i>Clinic</i> & {} <script>document.title='taken'</script>") | results_and_views()
    rows["quality.check_results"] = [check_result(n, f"site_0{n}", "warn") for n in (1, 2)]
    return build_report(make_warehouse(folder / "alliance.duckdb", rows), folder / "report")


def test_the_browser_shows_the_page_as_written(full: Path, tmp_path: Path) -> None:
    call = chromium(full, tmp_path, "--dump-dom")
    assert console(call) == []
    shown, written = read_page(call.stdout), read_page(full.read_text(encoding="utf-8"))
    assert [tag for tag, _ in shown.elements if tag not in {"tbody"}] == [
        tag for tag, _ in written.elements if tag not in {"tbody"}
    ]
    assert "<i>Clinic</i> & 1 <script>document.title='taken'</script>" in shown.text
    assert "<title>trial: refresh 20260301T120000Z</title>" in call.stdout


@pytest.mark.parametrize(
    "intruder",
    [
        '<p style="color: red">red</p>',
        "<script>document.title = 'taken'</script>",
        '<img src="http://127.0.0.1:9/pixel.png" alt="">',
        '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" alt="">',
    ],
)
def test_the_policy_refuses_what_is_not_the_page_s_own(full: Path, tmp_path: Path, intruder: str) -> None:
    changed = tmp_path / "changed.html"
    changed.write_text(full.read_text(encoding="utf-8").replace("</main>", f"{intruder}</main>"), encoding="utf-8")
    call = chromium(changed, tmp_path / "profile", "--dump-dom")
    assert any("Content Security Policy" in line for line in console(call))
    assert "<title>taken" not in call.stdout


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_nothing_but_tables_and_figures_is_wider_than_the_screen(full: Path, tmp_path: Path, width: int) -> None:
    call = chromium(_measured(full, tmp_path, width), tmp_path / "profile", "--dump-dom", "--window-size=1400,900")
    found = re.search(r"<title>(\d+) of (\d+)</title>", call.stdout)
    assert found is not None
    content, screen = int(found[1]), int(found[2])
    assert width - 20 <= screen <= width
    assert content <= screen


def _measured(page: Path, folder: Path, width: int) -> Path:
    """A page that shows the report in a frame of ``width``, opens all folds, and has the widths of the report's content
    and of its screen as title. The browser's own window cannot be made as narrow as a phone."""
    framed = html.escape(page.read_text(encoding="utf-8"), quote=True)
    script = """
        const frame = document.querySelector("iframe");
        frame.addEventListener("load", () => {
            const report = frame.contentDocument;
            report.querySelectorAll("details").forEach(one => one.open = true);
            const root = report.documentElement;
            document.title = root.scrollWidth + " of " + root.clientWidth;
        });
    """
    outer = folder / "measured.html"
    outer.write_text(
        f'<!doctype html><meta charset="utf-8"><title>not measured</title><iframe width="{width}" height="800" '
        f'style="border: 0" srcdoc="{framed}"></iframe><script>{script}</script>',
        encoding="utf-8",
    )
    return outer


@pytest.mark.parametrize(("scheme", "brightness"), [("light", "bright"), ("dark", "dark")])
def test_the_picture_is_in_the_reader_s_colours(full: Path, tmp_path: Path, scheme: str, brightness: str) -> None:
    picture = tmp_path / "page.png"
    setting = f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"
    chromium(full, tmp_path / "profile", f"--screenshot={picture}", "--window-size=1000,2400", setting)
    colours = _colours(picture)
    page, area = max(colours.items(), key=lambda colour: colour[1])
    assert 0.5 < area / sum(colours.values()) < 0.99
    assert (sum(page) > 600) == (brightness == "bright")
    # The bars of accepted cells: drawn, and in the colour that everybody can tell from the others.
    assert colours.get((0x00, 0x72, 0xB2), 0) > 2000


def _colours(picture: Path) -> dict[tuple[int, ...], int]:
    """Number of pixels of each colour of an 8-bit PNG."""
    content = picture.read_bytes()
    width, height, depth, kind = struct.unpack(">IIBB", content[16:26])
    assert depth == 8
    size = {2: 3, 6: 4}[kind]
    packed, place = b"", 8
    while place < len(content):
        length = struct.unpack(">I", content[place : place + 4])[0]
        if content[place + 4 : place + 8] == b"IDAT":
            packed += content[place + 8 : place + 8 + length]
        place += 12 + length
    data, stride = zlib.decompress(packed), width * size
    above, counts = bytearray(stride), dict[tuple[int, ...], int]()
    for line in range(height):
        start = line * (stride + 1)
        row = _unfiltered(data[start], bytearray(data[start + 1 : start + 1 + stride]), above, size)
        for pixel in range(0, stride, size):
            colour = tuple(row[pixel : pixel + 3])
            counts[colour] = counts.get(colour, 0) + 1
        above = row
    return counts


def _unfiltered(kind: int, row: bytearray, above: bytearray, size: int) -> bytearray:
    """One line of a PNG as it was before it was filtered (PNG specification, section 9)."""
    for place in range(len(row)):
        left = row[place - size] if place >= size else 0
        corner = above[place - size] if place >= size else 0
        up = above[place]
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = up
        elif kind == 3:
            guess = (left + up) // 2
        elif kind == 4:
            guess = min((left, up, corner), key=lambda one: abs(left + up - corner - one))
        else:
            break
        row[place] = (row[place] + guess) & 0xFF
    return row


def test_folded_tables_are_printed(full: Path, tmp_path: Path) -> None:
    """In print every fold is open: a page whose folds are taken away prints on fewer sheets."""
    without = tmp_path / "without.html"
    bare = re.sub(
        r"(<summary>.*?</summary>).*?</details>", r"\1</details>", full.read_text(encoding="utf-8"), flags=re.S
    )
    without.write_text(bare, encoding="utf-8")
    sheets = [_sheets(page, tmp_path / name) for name, page in (("whole", full), ("bare", without))]
    assert sheets[0] > sheets[1]


def _sheets(page: Path, folder: Path) -> int:
    folder.mkdir()
    printed = folder / "page.pdf"
    chromium(page, folder / "profile", f"--print-to-pdf={printed}")
    return len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes()))


def test_the_published_report_of_the_demo_study(refreshed_demo: Path, tmp_path: Path) -> None:
    page = refreshed_demo / "warehouse" / "report" / "index.html"
    call = chromium(page, tmp_path, "--dump-dom")
    assert console(call) == []
    shown = read_page(call.stdout)
    for site in ("hillside", "lakeside", "north", "parkview", "riverside", "seaside"):
        assert site in shown.text_of("arrivals")
    assert re.search(r"All [\d,]+ cells that sites delivered are accounted for", shown.text_of("cells"))
    assert "Component analyses" in shown.text_of("components")
    assert len(shown.all("svg")) > 30
    assert "own view (actor)" in shown.text_of("both")
    assert "a1: slope where both rate alike" in shown.text_of("both")
    assert "client and relationship" in shown.text_of("dyads")
    assert re.search(r"n = \d+ dyads with up to \d+ therapists", shown.text_of("dyads"))
    # What is told of dyads is told of all of them: no pseudonym of a dyad, client or therapist stands there.
    assert not re.search(r"\b(dy|cl|th)_[0-9a-f]{16}", shown.text_of("dyads") + shown.text_of("both"))
