"""The report's picture on the start page: ``python docs/screenshot.py`` writes it anew (needs Chromium)."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from sphereufm import UFMProblem, connect_landscape, verify_landscape
from sphereufm.report import save_html

PLACE = Path(__file__).parent / "images" / "report.webp"
SIZE = (1240, 1480)


def main() -> None:
    """Verify a landscape that is not benign, open a row of its page, and take the picture."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12)
    report = connect_landscape(verify_landscape(problem, prove=True))
    with tempfile.TemporaryDirectory() as name:
        page, picture = Path(name) / "report.html", Path(name) / "report.png"
        save_html(report, page)
        size = f"--window-size={SIZE[0]},{SIZE[1]}"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", size]
        subprocess.run([chromium, *flags, f"--screenshot={picture}", page.as_uri()], check=True)
        Image.open(picture).convert("RGB").save(PLACE, quality=70, method=6)


if __name__ == "__main__":
    main()
