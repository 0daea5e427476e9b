"""A headless Chromium that opens a page from disk, does what a script says, and tells what it saw."""

import json
import re
import shutil
import subprocess

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
# what the script puts into `seen` comes back; errors and requests always do
FRAME = """<script>
{{
const seen = {{}}, errors = [];
addEventListener("error", (event) => errors.push(event.message));
{script}
seen.errors = errors;
seen.requests = performance.getEntriesByType("resource").length;
document.title = JSON.stringify(seen);
}}
</script></body>"""


def opened(page, place, script="", flags=()):
    """What a script saw after the page had loaded; a line on the browser's console is an error."""
    place.write_text(page.replace("</body>", FRAME.format(script=script)), encoding="utf-8")
    done = subprocess.run(
        [CHROMIUM, *FLAGS, *flags, place.as_uri()], capture_output=True, text=True, timeout=600, check=True
    )
    console = re.findall(r"^.*CONSOLE.*$", done.stderr, re.MULTILINE)
    assert console == []
    (title,) = re.findall(r"<title>(\{.*\})</title>", done.stdout)
    seen = json.loads(title.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    assert seen.pop("errors") == []
    assert seen.pop("requests") == 0
    return seen
