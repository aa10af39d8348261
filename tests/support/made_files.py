"""Small files of many formats, made where a test needs them, and read the way everything is read."""

import io
import zipfile
from collections.abc import Mapping

from langchain_core.documents.base import Blob

from ziggurat.loaders import PARSERS, SourceDocument, parse

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def documents(name: str, data: bytes | str, mime_type: str | None = None, **options) -> list[SourceDocument]:
    """The documents in bytes that have a name."""
    return list(parse(Blob.from_data(data, path=name, mime_type=mime_type), **options))


def document(name: str, data: bytes | str, **options) -> SourceDocument:
    """The one document in bytes that have a name."""
    (one,) = documents(name, data, **options)
    assert one.metadata["source"] == one.source
    return one


def at(one: SourceDocument, words: str) -> dict:
    """Where some words of a document stand."""
    offset = one.text.index(words)
    return dict([place for place in one.places if place.start <= offset][-1].at)


def zipped(files: Mapping[str, bytes | str], *, first: str | None = None) -> bytes:
    """A zip archive; ``first`` is stored first and plain, as EPUB and OpenDocument want their type."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        if first is not None:
            archive.writestr("mimetype", first, zipfile.ZIP_STORED)
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


def changed(data: bytes, files: Mapping[str, bytes | str]) -> bytes:
    """A zip archive with some of its files replaced or added."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    return zipped({**kept, **files})


def saved(made) -> bytes:
    """What a document, workbook or presentation saves itself as."""
    data = io.BytesIO()
    made.save(data)
    return data.getvalue()


def pdf(*pages: str | bytes, info: str = "", trailer: str = "", extra: tuple[str, ...] = ()) -> bytes:
    """A PDF of content streams, a page each, with Helvetica as /F1."""
    objects = [
        "",
        "",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        f"<< {info} >>",
    ]
    kids = []
    for page in pages:
        stream = page if isinstance(page, bytes) else page.encode("cp1252")
        kids.append(len(objects) + 1)
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 400] /Contents {len(objects) + 2} 0 R"
            " /Resources << /Font << /F1 3 0 R >> /XObject << /Im1 << >> >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream.decode('latin-1')}\nendstream")
    objects.extend(extra)
    objects[0] = "<< /Type /Catalog /Pages 2 0 R >>"
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(f'{kid} 0 R' for kid in kids)}] >>"
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    end = f"xref\n0 {len(offsets) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(offsets) + 1} /Root 1 0 R /Info 4 0 R {trailer} >>\n"
    return out + f"{end}startxref\n{len(out)}\n%%EOF\n".encode("latin-1")


def words(*lines: str, x: int = 50, y: int = 350) -> str:
    """The content stream of some lines of text, one under another."""
    shown = "".join(f"({line}) Tj 0 -20 Td " for line in lines)
    return f"BT /F1 12 Tf {x} {y} Td {shown}ET\n"


def ole(streams: Mapping[str, bytes]) -> bytes:
    """An OLE file; ``/`` in a name puts a stream into a storage. All streams are small."""
    names: dict[str, list[str]] = {"": []}
    for path in streams:
        folder, _, name = path.rpartition("/")
        if folder and folder not in names:
            names[folder] = []
            names[""].append(folder)
        names[folder].append(name)
    entries: list[tuple[str, int, bytes | None]] = [("Root Entry", 5, None)]
    ids: dict[str, int] = {}
    for folder, inside in names.items():
        for name in inside:
            path = f"{folder}/{name}" if folder else name
            ids[path] = len(entries)
            entries.append((name, 1, None) if path in names else (name, 2, streams[path]))
    mini = b""
    chains: list[int] = []
    starts: dict[int, int] = {}
    for number, (_, kind, data) in enumerate(entries):
        if kind == 2 and data:
            starts[number] = len(chains)
            count = -(-len(data) // 64)
            chains += [len(chains) + 1 + step for step in range(count - 1)] + [0xFFFFFFFE]
            mini += data.ljust(count * 64, b"\0")
    mini = mini.ljust(-(-len(mini) // 512) * 512, b"\0")
    fat_of_mini = b"".join(one.to_bytes(4, "little") for one in chains)
    fat_of_mini = fat_of_mini.ljust(-(-len(fat_of_mini) // 512) * 512, b"\xff")

    def chain(members: list[str], prefix: str) -> dict[int, int]:
        path = [ids[f"{prefix}{name}"] for name in members]
        return dict(zip(path, [*path[1:], 0xFFFFFFFF], strict=True))

    after = {
        number: following
        for folder, inside in names.items()
        for number, following in chain(inside, f"{folder}/" if folder else "").items()
    }
    directory = b""
    for number, (name, kind, data) in enumerate(entries):
        key = next((path for path, one in ids.items() if one == number), "")
        inside = names.get(key, [])
        child = ids[f"{key}/{inside[0]}" if key else inside[0]] if kind in (1, 5) and inside else 0xFFFFFFFF
        start = 0 if number == 0 else starts.get(number, 0)
        size = len(mini) if number == 0 else len(data or b"")
        encoded = name.encode("utf-16-le") + b"\0\0"
        directory += (
            encoded.ljust(64, b"\0") + len(encoded).to_bytes(2, "little") + bytes([kind, 1]) + b"\xff" * 4
            + after.get(number, 0xFFFFFFFF).to_bytes(4, "little") + child.to_bytes(4, "little") + bytes(36)
            + start.to_bytes(4, "little") + size.to_bytes(8, "little")
        )  # fmt: skip
    directory = directory.ljust(-(-len(directory) // 512) * 512, b"\0")
    parts = [mini, fat_of_mini, directory]
    sectors, table, begins = b"", [], []
    for part in parts:
        count = len(part) // 512
        begins.append(len(table))
        table += [len(table) + 1 + step for step in range(count - 1)] + [0xFFFFFFFE] if count else []
        sectors += part
    table.append(0xFFFFFFFD)
    fat = b"".join(one.to_bytes(4, "little") for one in table).ljust(512, b"\xff")
    assert len(fat) == 512, "more streams than this small file holds"
    directory_at = begins[2]
    directory = bytearray(sectors)
    root = directory_at * 512 + 116
    directory[root : root + 4] = begins[0].to_bytes(4, "little")
    header = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + b"\x3e\0\3\0\xfe\xff\x09\0\x06\0" + bytes(6) + bytes(4)
        + (1).to_bytes(4, "little") + directory_at.to_bytes(4, "little") + bytes(4) + (4096).to_bytes(4, "little")
        + begins[1].to_bytes(4, "little") + (len(fat_of_mini) // 512).to_bytes(4, "little")
        + (0xFFFFFFFE).to_bytes(4, "little") + bytes(4) + (len(table) - 1).to_bytes(4, "little")
    )  # fmt: skip
    return header.ljust(512, b"\xff") + bytes(directory) + fat


def outlook(properties: Mapping[str, bytes | str], attachments: list[Mapping[str, bytes | str]] = ()) -> bytes:
    """An Outlook message; a property's name is its number and type in hexadecimal: ``0037001F`` is the subject."""
    streams: dict[str, bytes] = {}

    def add(folder: str, given: Mapping[str, bytes | str | int], header: bytes) -> None:
        listed = header
        for tag, value in given.items():
            pid, kind = int(tag[:4], 16), int(tag[4:], 16)
            if isinstance(value, int):
                listed += (
                    kind.to_bytes(2, "little")
                    + pid.to_bytes(2, "little")
                    + (6).to_bytes(4, "little")
                    + value.to_bytes(8, "little")
                )
                continue
            data = value.encode("utf-16-le") if isinstance(value, str) else value
            streams[f"{folder}__substg1.0_{tag}"] = data
            listed += kind.to_bytes(2, "little") + pid.to_bytes(2, "little") + (6).to_bytes(4, "little")
            listed += len(data).to_bytes(4, "little") + bytes(4)
        streams[f"{folder}__properties_version1.0"] = listed

    counts = bytes(8) + bytes(8) + (0).to_bytes(4, "little") + len(attachments).to_bytes(4, "little") + bytes(8)
    add("", properties, counts)
    for number, attachment in enumerate(attachments):
        add(f"__attach_version1.0_#{number:08X}/", attachment, bytes(8))
    return ole(streams)


SUFFIXES = sorted(PARSERS)
