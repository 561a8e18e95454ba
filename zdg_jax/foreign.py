"""Files and words of other people: read with bounds, named safely, shown without control characters."""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml

from zdg_jax.errors import UserError, machine_error

MIB = 1 << 20
DEPTH = 100  # of brackets in each other; nobody writes more by hand, and parsers recurse


def check_regular(path: Path, limit: int) -> None:
    """Whether a file can be read whole: a pipe would wait for ever, and a giant take all memory.

    Args:
      path: the file.
      limit: bytes.

    Raises:
      UserError: no such file, a folder, a pipe or device, or more bytes.
    """
    try:
        about = path.stat()
    except OSError as error:
        raise machine_error(error) or UserError(
            f"{path} ({error.strerror})", "a file", "check the path"
        ) from error
    except ValueError as error:  # NUL in the name
        raise UserError(f"{str(path)!r} ({error})", "the name of a file", "check the path") from None
    if not stat.S_ISREG(about.st_mode):
        raise UserError(f"{path}, a folder, pipe or device", "a regular file", "check the path")
    if about.st_size > limit:
        size = f"{about.st_size / MIB:.0f} MiB"
        raise UserError(f"{path} of {size}", f"at most {limit / MIB:.0f} MiB", "split or reduce it")


def read_bytes(path: Path, limit: int = 64 * MIB) -> bytes:
    """A regular file, whole.

    Raises:
      UserError: as `check_regular`, or it can't be read.
    """
    check_regular(path, limit)
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)  # it may have grown
    except OSError as error:
        raise machine_error(error) or UserError(
            f"{path} ({error.strerror})", "a file that can be read", "check the path"
        ) from error


#: libyaml's safe loader, where PyYAML was built with it: a tenth of the time.
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_text(path: Path, limit: int = 64 * MIB) -> str:
    """A regular UTF-8 file, whole; a byte-order mark is left out. Raises UserError."""
    try:
        return read_bytes(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path.name}, which is no UTF-8 ({error})", "a text file", "save it as UTF-8"
        ) from None


def parse_json(text: str, name: str) -> Any:
    """JSON that is not nested beyond reason.

    Args:
      text: of the file.
      name: for messages.

    Raises:
      UserError: it is none.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise _deep(name) from None
    except ValueError as error:
        raise UserError(f"{name}, which is no JSON ({error})", "JSON", "mend the file") from None


def load_json(path: Path, limit: int = 64 * MIB) -> Any:
    """`parse_json` of a file. Raises UserError."""
    return parse_json(read_text(path, limit), path.name)


def load_yaml(path: Path, limit: int = 4 * MIB) -> Any:
    """YAML (or JSON) of plain data that is not nested beyond reason.

    Raises:
      UserError: it is none, or can't be read.
    """
    text = read_text(path, limit)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=YAML_LOADER):  # no recursion in here, unlike in the loader
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH:
                raise _deep(path.name)
        return yaml.load(text, Loader=YAML_LOADER)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        why = " ".join(str(error).split())[:200]
        raise UserError(f"{path.name}, which is not YAML ({why})", "a YAML file", "mend the file") from None


def load_xml(path: Path, limit: int = 64 * MIB) -> ElementTree.Element:
    """The root of an XML file that is not nested beyond reason.

    Raises:
      UserError: it is none, or can't be read.
    """
    depth, root = 0, None
    try:
        for event, element in ElementTree.iterparse(io.BytesIO(read_bytes(path, limit)), ("start", "end")):
            root = element if root is None else root
            depth += 1 if event == "start" else -1
            if depth > DEPTH:
                raise _deep(path.name)
    except ElementTree.ParseError as error:
        raise UserError(f"{path.name}, which is not XML ({error})", "an XML file", "mend the file") from None
    if root is None:
        raise UserError(f"{path.name}, which is empty", "an XML file", "check the path")
    return root


def _deep(name: str) -> UserError:
    return UserError(f"{name}, nested more than {DEPTH} deep", "plain data", "mend the file")


def file_name(word: object) -> str:
    """A word out of data as the name of one file or folder: it can neither hide, nor leave its folder.

    Letters, digits, `_`, `-` and inner dots stay; at most 120 bytes. Words that had to be changed, by more
    than spaces, end in a hash of what they were, so that two of them do not share a name.
    """
    text = str(word)
    plain = re.sub(r"[^\w.-]+", "_", text).strip(".")
    short = plain.encode("utf-8", "replace")[:100].decode("utf-8", "ignore")
    if short and short == text and short.upper().partition(".")[0] not in _RESERVED:
        return short
    if short == plain and short and "_" in short and re.fullmatch(r"[\w. -]+", text) and text[0] != ".":
        return short  # spaces alone: names that people type stay readable
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{short}-{digest}" if short else digest


_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}
