"""A loaded document into the chunks that are stored, each with its text, its place and its metadata."""

from __future__ import annotations

import json

from ziggurat.errors import InputError, UnreadableDocument
from ziggurat.index.inputs import check_unicode, encode_metadata
from ziggurat.index.names import names_of
from ziggurat.index.splitting import Lines, Splitter
from ziggurat.index.transaction import Chunk, DocumentRow
from ziggurat.loaders.document import SourceDocument, places_within


def document_row(document: SourceDocument) -> DocumentRow:
    """What is stored of a document beside its chunks.

    Raises:
        InputError: If its metadata is not JSON.
    """
    return DocumentRow(
        id=document.source,
        source=document.source,
        text=document.text,
        kind=document.kind,
        metadata=encode_metadata(document.metadata, document.source),
    )


def chunks_of(document: SourceDocument, splitter: Splitter) -> list[Chunk]:
    """The chunks of a document, in order.

    A chunk's metadata is its document's, with ``headings`` where it stands under some, and the page,
    row, slide or moment it begins at.

    Raises:
        UnreadableDocument: If there is no text in it, or it is no valid Unicode.
        InputError: If its metadata is not JSON.
    """
    where = document.source
    try:
        check_unicode(document.text, where)
        check_unicode(document.source, where)
    except InputError as error:
        raise UnreadableDocument(error.what, where=ascii(where)) from error
    lines = Lines(document.text)
    names = names_of(document.title) if document.title else ()
    chunks: list[Chunk] = []
    for number, piece in enumerate(splitter.split(document.text, document.kind)):
        metadata = dict(document.metadata)
        if piece.headings:
            metadata["headings"] = list(piece.headings)
        places = list(places_within(document.places, piece.start, piece.end))
        if places:
            metadata.update(places[0].at)
        chunks.append(
            Chunk(
                id=f"{document.source}#{number}",
                text=document.text[piece.start : piece.end],
                metadata=encode_metadata(metadata, where),
                first_char=piece.start,
                end_char=piece.end,
                first_line=lines.of(piece.start),
                last_line=lines.of(piece.end - 1),
                headings=json.dumps(piece.headings, ensure_ascii=False),
                places=json.dumps([[place.start, dict(place.at)] for place in places], ensure_ascii=False),
                names=() if number else names,
            )
        )
    if not chunks:
        raise UnreadableDocument("There is no text in it.", where=where)
    return chunks
