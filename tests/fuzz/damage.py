"""Ways to damage a file, each drawn by a seed: as bytes, as what it holds, or as what lies in its
place.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DEEP = 100_000
ROOTS = (
    b"",
    b"[]",
    b"{}",
    b"null",
    b"7",
    b'"text"',
    b"true",
    b"NaN",
    b"[" * DEEP,
    b'{"a":' * DEEP,
    b"\xff\xfe\x00\x01",
    b"\xc3\x28",
    b"\x00" * 64,
    b"x = 1",
    b"a,b\n1,2\n",
    b"PK\x03\x04",
)
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    10**30,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "../../x",
    "\ud800",
    "\0",
    [],
    {},
    [[]],
    {"a": 1},
    [None],
    ["x", "x"],
)


def damage(file: Path, dice: random.Random) -> str:
    """Damages `file` and says how."""
    ways: list[Callable[[Path, random.Random], str]] = [_bytes, _bytes, _place, _root]
    inner = _INSIDE.get(file.suffix)
    if inner is not None and file.is_file():
        ways += [inner] * 8
    return dice.choice(ways)(file, dice)


def _bytes(file: Path, dice: random.Random) -> str:
    """Truncated, some bits flipped, a stretch overwritten, repeated or left out."""
    data = bytearray(file.read_bytes())
    if not data:
        return _root(file, dice)
    start = dice.randrange(len(data))
    stretch = slice(start, start + dice.randint(1, 64))
    way = dice.choice(("truncated", "bits", "noise", "doubled", "left out"))
    if way == "truncated":
        del data[start:]
    elif way == "bits":
        for _ in range(dice.randint(1, 8)):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    elif way == "noise":
        data[stretch] = dice.randbytes(len(data[stretch]))
    elif way == "doubled":
        data[start:start] = data[stretch]
    else:
        del data[stretch]
    file.write_bytes(data)
    return f"{way} at {start}"


def _place(file: Path, dice: random.Random) -> str:
    """Something else lies where the file should be."""
    file.unlink(missing_ok=True)
    way = dice.choice(("missing", "folder", "full folder", "loop", "dangling link", "device"))
    if "folder" in way:
        file.mkdir(parents=True)
    if way == "full folder":
        (file / "x").write_bytes(b"x")
    if way == "loop":
        file.symlink_to(file)
    if way == "dangling link":
        file.symlink_to(file.with_name("nowhere"))
    if way == "device":
        file.symlink_to(os.devnull)
    return way


def _root(file: Path, dice: random.Random) -> str:
    data = dice.choice(ROOTS)
    file.write_bytes(data)
    return f"{data[:20]!r}..."


def _json(file: Path, dice: random.Random) -> str:
    value = json.loads(file.read_text(encoding="utf-8"))
    told = _change(value, dice)
    file.write_text(json.dumps(value), encoding="utf-8")
    return told


def _change(value: Any, dice: random.Random) -> str:
    """One value somewhere inside is replaced, left out or doubled, or an unknown key is added."""
    path, where = [], value
    while True:
        keys = list(where) if isinstance(where, dict) else list(range(len(where)))
        if not keys:
            return "as it was"
        key = dice.choice(keys)
        path.append(key)
        if not isinstance(where[key], dict | list) or not where[key] or dice.random() < 0.25:
            break
        where = where[key]
    way = dice.choice(("odd", "odd", "odd", "left out", "unknown key", "deep"))
    if way == "left out":
        del where[key]
    elif way == "unknown key" and isinstance(where, dict):
        where["unknown"] = 1
    elif way == "deep":
        where[key] = [[[[[[where[key]]]]]]]
    else:
        where[key] = dice.choice(ODD)
        way = f"{where[key]!r}"
    return f"{path}: {way}"


def _lines(file: Path, dice: random.Random) -> str:
    """JSON lines, TOML, CSV, landmark points: a line goes, comes twice, or a word of it becomes
    another.
    """
    lines = file.read_text(encoding="utf-8").splitlines()
    at = dice.randrange(len(lines))
    way = dice.choice(("left out", "doubled", "word", "word", "word"))
    if way == "left out":
        del lines[at]
    elif way == "doubled":
        lines.insert(at, lines[at])
    else:
        words = lines[at].split(" ")
        words[dice.randrange(len(words))] = dice.choice(
            ("[]", "{}", "-1", "nan", "1e999", '"x"', "true", "x", "[1, 'a']", str(10**30), "")
        )
        lines[at] = " ".join(words)
    file.write_text("\n".join(lines), encoding="utf-8")
    return f"line {at}: {way}"


def _parquet(file: Path, dice: random.Random) -> str:
    table = pq.read_table(file)
    way = dice.choice(("no rows", "no columns", "column", "text", "nulls", "unknown", "other"))
    column = dice.choice(table.column_names)
    at = table.column_names.index(column)
    if way == "no rows":
        table = table.slice(0, 0)
    elif way == "no columns":
        table = pa.table({})
    elif way == "column":
        table = table.remove_column(at)
    elif way == "unknown":
        table = table.append_column("unknown", pa.array([1] * len(table)))
    else:
        values = {
            "text": ["x"] * len(table),
            "nulls": [None] * len(table),
            "other": [dice.choice((-1, 0, 2**40)) for _ in range(len(table))],
        }[way]
        table = table.set_column(at, column, pa.array(values))
    pq.write_table(table, file)
    return f"{column}: {way}"


def _npy(file: Path, dice: random.Random) -> str:
    array = dice.choice(
        (
            np.zeros(0),
            np.zeros((2, 3)),
            np.full((68, 2), np.nan),
            np.array("x"),
            np.full((68, 2), 1e30),
            np.zeros((68, 2), complex),
            np.zeros((2, 68, 2)),
            np.full((68, 2), -5000.0),
        )
    )
    np.save(file, array)
    return f"{array.dtype} {array.shape}"


def _safetensors(file: Path, dice: random.Random) -> str:
    """The description in the header, a name, a shape or the numbers."""
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    body = bytearray(data[8 + length :])
    metadata = header.get("__metadata__", {})
    if "thbench" in metadata and dice.random() < 0.6:
        description = json.loads(metadata["thbench"])
        told = _change(description, dice)
        metadata["thbench"] = json.dumps(description)
    elif dice.random() < 0.3:
        body[:] = np.full(len(body) // 4, np.nan, np.float32).tobytes().ljust(len(body), b"\0")
        told = "NaN"
    else:
        told = _change(header, dice)
    text = json.dumps(header).encode("utf-8", "replace")
    file.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return told


def _picture(file: Path, dice: random.Random) -> str:
    from PIL import Image

    mode, size = dice.choice(("1", "L", "RGBA", "I;16", "CMYK", "P")), dice.choice((1, 3, 64, 300))
    kept = io.BytesIO()
    Image.new(mode, (size, 64)).save(kept, "TIFF" if mode == "CMYK" else "PNG")
    file.write_bytes(kept.getvalue())
    return f"{mode} {size}"


def _database(file: Path, dice: random.Random) -> str:
    import sqlite3

    with sqlite3.connect(file) as opened:
        tables = [
            row[0] for row in opened.execute("select name from sqlite_master where type='table'")
        ]
        table = dice.choice(tables)
        columns = [row[1] for row in opened.execute(f"pragma table_info({table})")]
        column, value = dice.choice(columns), dice.choice((None, -1, 10**12, "x", "", 1.5))
        opened.execute("pragma foreign_keys = off")
        try:
            if dice.random() < 0.2:
                opened.execute(f"drop table {table}")
                return f"no {table}"
            opened.execute(f"update {table} set {column} = ?", (value,))
        except sqlite3.Error as error:
            return f"{table}.{column}: {error}"
    return f"{table}.{column} = {value!r}"


def copied(material: Path, folders: tuple[str, ...], root: Path) -> None:
    """Fresh copies of specimens."""
    for folder in folders:
        shutil.copytree(material / folder, root / folder, symlinks=True)


def _zip(file: Path, dice: random.Random) -> str:
    """A member renamed, doubled, left out, or damaged with its new hash on the list."""
    with zipfile.ZipFile(file) as archive:
        entries = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    place = dice.randrange(len(entries))
    name, content = entries[place]

    way = dice.choice(("renamed", "doubled", "left out", "damaged", "damaged", "damaged"))
    if way == "renamed":
        new = dice.choice(("../x", "/x", "a/", "", "run.json", "a\\b", "x" * 300, "\N{SNOWMAN}"))
        entries[place] = (new, content)
    elif way == "doubled":
        entries.append(entries[place])
    elif way == "left out":
        del entries[place]
    else:
        part = file.with_name(f"part{Path(name).suffix}")
        part.write_bytes(content)
        way = _INSIDE.get(part.suffix, _bytes)(part, dice)
        entries[place] = (name, part.read_bytes())
        part.unlink()

    contents = dict(entries)
    with suppress(ValueError, TypeError, LookupError):
        mark = json.loads(contents["pack.json"])
        digests = {name: hashlib.sha256(contents[name]).hexdigest() for name in mark["files"]}
        entries[0] = ("pack.json", json.dumps(mark | {"files": digests}).encode())
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that come twice
        for name, content in entries:
            archive.writestr(name, content)
    return f"{name}: {way}"


_INSIDE: dict[str, Callable[[Path, random.Random], str]] = {
    ".json": _json,
    ".jsonl": _lines,
    ".toml": _lines,
    ".csv": _lines,
    ".pts": _lines,
    ".parquet": _parquet,
    ".npy": _npy,
    ".safetensors": _safetensors,
    ".png": _picture,
    ".jpg": _picture,
    ".db": _database,
    ".zip": _zip,
}
