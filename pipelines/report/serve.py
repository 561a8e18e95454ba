"""Start the page and keep it up."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.report.table import Objects, view_files
from zdg_jax.errors import UserError

if TYPE_CHECKING:
    from pipelines.report.app import Viewer


def start(
    paths: Sequence[str],
    *,
    hand: str | None = None,
    objects: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    where: str = "",
    sort: str = "",
    descending: bool = False,
) -> Viewer:
    """The page at http://HOST:PORT, until `viewer.server.stop()`.

    Args:
      paths: grasp files or folders of any format we read.
      hand, objects: of other people's files.
      host: 0.0.0.0 lets others on the network look, without a password.
      port: the next free one is taken where it is in use.
      where, sort, descending: first filter and order.
    Raises:
      UserError: without viser, or what the files lack.
    """
    from pipelines.runtime import start_jax

    try:
        import viser
    except ImportError:
        raise UserError("no viser", "the extra `view`", "pip install 'zdg-jax[view]', or viser") from None
    from pipelines.report.app import Viewer

    start_jax()
    files = view_files(paths, hand)
    roots = Objects(None if objects is None else Path(objects).expanduser())
    server = viser.ViserServer(host, free_port(host, port), verbose=False)
    try:
        return Viewer(server, files, roots, where=where, sort=sort, descending=descending)
    except BaseException:
        server.stop()
        raise


def free_port(host: str, port: int) -> int:
    """`port`, or the first above it that nobody listens at.

    Raises:
      UserError: a hundred are in use.
    """
    for number in range(port, min(port + 100, 65536)):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind((host, number))
            except OSError:
                continue
            return number
    raise UserError(f"port {port} and a hundred above it in use", "a free one", "choose another --port")
