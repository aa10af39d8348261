"""One piece of building an index: some items of a source read, split and embedded, wherever that is done.

A piece is described by a small file on the shared storage (`write_piece`); `do_piece` does it, in this process or on
a Spark worker, and leaves a file of vectors, or writes to a store. Models are opened once per process.
Invariant: a piece that is done twice leaves the same, once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ziggurat.batch.index_source import ShardPart, one_source, open_plain
from ziggurat.batch.vector_shards import SUFFIX, Header, write_shard
from ziggurat.errors import IndexFault, InputError
from ziggurat.index.embedder import Embedder, fingerprint_of
from ziggurat.index.hits import IngestReport, LeftOut
from ziggurat.index.ingest import known_vectors, vectors_of
from ziggurat.index.splitting import counted, open_splitter
from ziggurat.index.sync import ReadItem, read_item
from ziggurat.index.transaction import Chunk
from ziggurat.index.vector_index import VectorIndex
from ziggurat.loaders.source import Item, Source
from ziggurat.progress import silent

PIECE = ".piece"
DONE = ".done"
LARGEST_PIECE = 256
"""Items of a piece: what a killed worker has to do again, at most."""
_LARGEST_BYTES = 8 << 20


def cut(items: Sequence[tuple[int, Item]]) -> Iterator[list[tuple[int, Item]]]:
    """Items in pieces of bounded size, in order; each with the number of its source."""
    piece: list[tuple[int, Item]] = []
    weight = 0
    for number, item in items:
        piece.append((number, item))
        weight += item.size or 0
        if len(piece) >= LARGEST_PIECE or weight >= _LARGEST_BYTES:
            yield piece
            piece, weight = [], 0
    if piece:
        yield piece


def write_piece(
    folder: Path, work: Mapping[str, Any], piece: Sequence[tuple[int, Item]], known: Mapping[str, bytes | None]
) -> str:
    """Describe a piece in a file; its name, which follows from what it says.

    Args:
        folder: On storage that the workers share.
        work: What all pieces have in common: source, embeddings, splitter, settings, index or store (without a password).
        piece: The items.
        known: The digests the index has of them.
    """
    entries = [[number, item.key, item.stamp, _hex(known.get(item.key))] for number, item in piece]
    text = json.dumps({**work, "items": entries})
    name = blake2b(text.encode(), digest_size=12).hexdigest()
    path = folder / f"{name}{PIECE}"
    half = path.with_suffix(".part")
    half.write_text(text, encoding="utf-8")
    half.replace(path)
    return name


def do_piece(folder: Path, name: str, store: str | None = None) -> None:
    """Do a piece, unless it is done.

    Args:
        folder: Where it is described.
        name: Its name.
        store: The address of the store to write to, which may hold a password and so is in no file.

    Raises:
        ZigguratError: What its model or store raised; items that cannot be read are no error.
    """
    done = folder / f"{name}{DONE}"
    if done.exists() or (folder / f"{name}{SUFFIX}").exists():
        return
    work = json.loads((folder / f"{name}{PIECE}").read_text(encoding="utf-8"))
    embedder = _embedder(work["embeddings"])
    splitter = counted(open_splitter(None, work["splitter"]), lambda: embedder.model)
    before = {key: digest and bytes.fromhex(digest) for _, key, _, digest in work["items"]}
    listed = {key: stamp for _, key, stamp, _ in work["items"]}
    read = [
        read_item(item, splitter, before[item.key])._replace(stamp=listed[item.key])
        for item in _items(open_plain(work["source"]), work["items"])
    ]
    ready, header = _embedded(read, embedder, work)
    if store is None:
        write_shard(folder / f"{name}{SUFFIX}", header, [(one, before[one.key]) for one in ready])
    else:
        _put(store, work["embeddings"], ready)
        done.touch()


def _items(sources: Sequence[Source], entries: Sequence[Sequence[Any]]) -> Iterator[Item]:
    """The items of a piece, in its order."""
    for number in sorted({entry[0] for entry in entries}):
        keys = [entry[1] for entry in entries if entry[0] == number]
        named = getattr(sources[number], "named", None)
        if named is not None:
            yield from named(keys)
        else:
            found = {item.key: item for item in sources[number].items()}
            yield from (found.get(key) or Item(key, _gone(key)) for key in keys)


def _gone(key: str) -> Any:
    def read() -> Iterator[Any]:
        raise InputError("It is not in its source any more.", where=key)
        yield  # pragma: no cover (makes this a generator)

    return read


def _embedded(read: Sequence[ReadItem], embedder: Embedder, work: Mapping[str, Any]) -> tuple[list[ReadItem], Header]:
    """The items with their vectors, all embedded together."""
    chunks = [chunk for one in read for _, parts in one.documents for chunk in parts]
    known, dimensions = _known(work.get("index"), chunks)
    vectors, made = vectors_of(chunks, known, embedder, dimensions)
    ready, at = [], 0
    for one in read:
        count = sum(len(parts) for _, parts in one.documents)
        ready.append(one._replace(vectors=vectors[at : at + count], embedded=made) if count else one)
        made, at = (0 if count else made), at + count
    fingerprint = None if embedder.opened is None else fingerprint_of(embedder.opened)
    return ready, Header(work["settings"], fingerprint, vectors.shape[1] or None)


def _known(index: str | None, chunks: Sequence[Chunk]) -> tuple[dict[bytes, bytes], int | None]:
    """The vectors that the index has already, where it can be looked into from here."""
    if index is not None and chunks:
        with suppress(IndexFault), VectorIndex.open(index, read_only=True) as opened:
            engine = opened._engine  # noqa: SLF001 (read as its own ingest reads it)
            return known_vectors(engine, chunks), engine.manifest.dimensions
    return {}, None


def _put(store: str, embeddings: str, ready: Sequence[ReadItem]) -> None:
    """Write the chunks to a store under ids that follow from their documents: doing it again replaces them."""
    from ziggurat.stores import open_store

    opened = open_store(store, embeddings)
    try:
        for one in ready:
            chunks = [(row.id, chunk) for row, parts in one.documents for chunk in parts]
            if chunks and one.vectors is not None:
                opened.add_vectors(
                    [chunk.text for _, chunk in chunks],
                    one.vectors,
                    [_metadata(document, chunk) for document, chunk in chunks],
                    ids=[chunk.id for _, chunk in chunks],
                )
    finally:
        opened.close()


def _metadata(document: str, chunk: Chunk) -> dict[str, Any]:
    place = {"document_id": document, "start_index": chunk.first_char, "end_index": chunk.end_char}
    return {**json.loads(chunk.metadata), **place}


def _hex(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()


@lru_cache(maxsize=1)
def _embedder(spec: str) -> Embedder:
    """A worker process serves many pieces with one model."""
    return Embedder(spec, spec=spec, fingerprint=None, where="a worker")


def sync_shard(job: str) -> str:
    """Bring one shard up to date with its part of the source; its report, as JSON."""
    told = json.loads(job)
    whole = one_source(told["source"])
    splitter = None if told["splitter"] is None else open_splitter(None, told["splitter"])
    with VectorIndex.open_or_create(told["shard"], told["embeddings"], splitter=splitter) as index:
        report = index.sync(ShardPart(whole, told["number"], told["count"]), progress=silent)
    return json.dumps(asdict(report))


def report_of(told: str) -> IngestReport:
    """What `sync_shard` told."""
    fields = json.loads(told)
    for name in ("unsupported", "unreadable"):
        fields[name] = [LeftOut(**one) for one in fields[name]]
    return IngestReport(**fields)
