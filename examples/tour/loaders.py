"""Tour: documents and their loaders. E-mail, Markdown, PDF, CSV, Evernote, web pages, videos, buckets and drives, by one call.

    python examples/tour/loaders.py FOLDER_OR_ADDRESS ...

`s3://bucket/prefix`, `azure://account/container`, `gdrive://folder`, `https://...` and a YouTube address
are read the same way, with the credentials their own clients look for.
"""

import sys
import tempfile
from pathlib import Path

from ziggurat.loaders import load

FILES = {
    "mail.eml": "From: ana@example.org\nTo: bob@example.org\nSubject: The boat\n\nThe boat is red.\n",
    "readme.md": "# Boats\n\nA boat floats.\n",
    "boats.csv": "name,colour\nHalcyon,red\nHeron,grey\n",
    "page.html": "<html><title>Harbour</title><body><main><p>The harbour opens at six.</p></main></body></html>",
    "notes.enex": (
        '<?xml version="1.0" encoding="UTF-8"?><en-export><note><title>Paint</title><content>'
        "<![CDATA[<en-note>Two tins of red paint.</en-note>]]></content></note></en-export>"
    ),
}


def main(*sources):
    """Every document that was read, by its source."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        if not sources:
            for name, text in FILES.items():
                Path(folder, name).write_text(text, encoding="utf-8")
        for source in sources or [folder]:
            for document in load(source):
                name = document.source.removeprefix(f"{folder}/")
                found[name] = document
                place = f"{document.places[0]}" if document.places else "by line"
                print(f"{name:20} {document.kind:9} {place:14} {' '.join(document.text.split())[:60]}")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
