"""The example page of docs/embed/publishing.md uses modules and names that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "embed" / "publishing.md").read_text()
EXAMPLE = re.search(r"```html\n(.*?)```", PAGE, re.S)
IMPORT = re.compile(r"import \{ ([\w, ]+) \} from \"/(static/js/[\w/-]+\.js)\"")


def test_the_example_imports_names_that_its_modules_export() -> None:
    assert EXAMPLE is not None
    imports = IMPORT.findall(EXAMPLE[1])
    assert len(imports) == EXAMPLE[1].count("import {")
    for names, path in imports:
        module = (ROOT / "web" / path).read_text()
        exported = re.findall(r"^export (?:async )?(?:class|function|const) (\w+)", module, re.M)
        assert set(names.split(", ")) <= set(exported), path


def test_the_example_sets_every_option_of_the_publisher() -> None:
    assert EXAMPLE is not None
    publisher = (ROOT / "web/static/js/client/publisher.js").read_text()
    typedef = re.search(r"@typedef \{object\} PublisherOptions(.*?)\*/", publisher, re.S)
    assert typedef is not None
    options = re.findall(r"@property \{.*\} (\w+)", typedef[1])
    assert options
    call = EXAMPLE[1].partition("new Publisher({")[2].partition("\n  });")[0]
    given = set(re.findall(r"^    (\w+)(?=[:,])", call, re.M))
    assert given == set(options)
