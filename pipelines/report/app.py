"""The live page: one grasp at a time, its object, its way, its measures; keys go to the next and the last."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.hand import STAGES, At, at_stage
from pipelines.report.table import Objects, Seen, ViewFile, chosen, ordered
from zdg_jax.columns import COLUMNS
from zdg_jax.errors import UserError
from zdg_jax.hands import HandModel, load_hand
from zdg_jax.hands.kinematics import posed, posed_skin
from zdg_jax.render.scene import INDEX, NEUTRAL, SKIN, THUMB, byte, part_color

if TYPE_CHECKING:
    import viser


_FIRST = ("task", "object_id", "grasp_type", "status")
#: Then what a person looks at first; energies come last.
_SOON = (
    "rank", "good", "six_force_suc", "six_force_held", "hold_share", "sim_dis_cm", "sim_suc", "p_dep_cm",
    "p_vol_cm3",
)  # fmt: skip
_STYLE = "font-size:12px;margin:0 12px 8px"


def measures(file: ViewFile | None, row: int, message: str, at: At | None = None, *, place: str = "") -> str:
    """HTML of one row; every number with the heading of its column.

    Args:
      file, row: which; None for no grasp.
      message: what is wrong, "" for nothing.
      at: where the hand is.
      place: "3 of 8".
    """
    lines = [f'<div style="color:#b3312b;{_STYLE}">{escape(message)}</div>'] if message else []
    if file is None:
        return "".join(lines)
    told = [("grasp", f"{place} · {at.said}" if at is not None else f"{place} · no pose")]
    told += [(name, str(file.columns[name][row])) for name in _FIRST if name in file.columns]
    reason = file.grasps.status_reason[row]
    told += [("reason", reason)] if reason else []
    rest = [n for n in file.columns if not n.startswith("energy")] + list(file.columns)
    for name in dict.fromkeys([n for n in _SOON if n in file.columns] + rest):
        values = file.columns[name]
        if name in _FIRST or np.asarray(values).dtype.kind in "OUS":
            continue
        value = float(values[row])
        if np.isfinite(value):
            told.append((_heading(name), _said(name, value)))
    cells = "".join(
        f'<tr><td style="opacity:.65;padding-right:8px;width:58%">{escape(name)}</td>'
        f'<td style="word-break:break-word">{escape(value)}</td></tr>'
        for name, value in told
    )
    return "".join(lines) + f'<table style="{_STYLE};width:92%;table-layout:fixed">{cells}</table>'


def _heading(name: str) -> str:
    column = COLUMNS.get(name)
    if column is None or not column.heading:
        return name.replace("energy.", "E ").replace("_", " ")
    return column.heading.replace(" (%)", "") if column.kind == "flag" else column.heading


def _said(name: str, value: float) -> str:
    column = COLUMNS.get(name)
    if column is None:
        return f"{value:.4g}"
    if column.kind == "flag":
        return "yes" if value > 0 else "no"
    if column.kind in ("count", "int"):
        return f"{value:.0f}"
    return f"{value * column.factor:.{max(column.digits, 2)}f}"


ALL = "all files"
#: Skin this near to the object's surface touches it, metres.
TOUCH = 0.002
#: Seconds of one way from pregrasp to lift.
WAY = 4.0
_CONTACT = (205, 35, 45)


class Viewer:
    """What is shown, and the page's controls.

    Attributes:
      rows: (file, row) of the grasps that meet the filter, in order.
      place: of `rows`; which is shown.
      message: what is wrong with the filter, or why there is no object; "" for nothing.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        files: Sequence[ViewFile],
        objects: Objects,
        *,
        where: str = "",
        sort: str = "",
        descending: bool = False,
    ) -> None:
        """Args: server: started; files, objects: what to show; where, sort, descending: for `filters`.

        Raises:
          UserError: a filter or a column that no file knows.
        """
        self.server, self.files, self.objects = server, list(files), objects
        self.rows: list[tuple[int, int]] = []
        self.place, self.message = 0, ""
        self._lock, self._drawn = threading.RLock(), set()
        self._hands: dict[str, HandModel] = {}
        self._rows_by(ALL, where, sort, descending)
        self._build(where, sort, descending)
        self.server.scene.set_up_direction("+y")
        self.server.scene.world_axes.visible = False
        self._aim()
        self.draw()

    # -- which grasps

    def _rows_by(self, file: str, where: str, sort: str, descending: bool) -> None:
        rows, keys = [], []
        refused: UserError | None = None
        wanted = [i for i, f in enumerate(self.files) if file in (ALL, self._label(i, f))]
        for i in wanted:
            try:
                keep = np.flatnonzero(chosen(self.files[i].columns, where))
                key = np.asarray(self.files[i].columns[sort])[keep] if sort else np.arange(len(keep))
            except (UserError, KeyError) as error:  # another file may know the column
                known = UserError(f"column {sort!r}", f"one of {', '.join(self.sortable)}", "choose another")
                refused = error if isinstance(error, UserError) else known
                continue
            rows += [(i, int(row)) for row in keep]
            keys += list(key)
        if refused is not None and not rows:
            raise refused
        if sort and rows:
            order = ordered({sort: np.array(keys)}, sort, descending=descending)
            rows = [rows[k] for k in order]
        self.rows, self.place = rows, 0

    def _label(self, i: int, file: ViewFile) -> str:
        return f"{i + 1}: {file.name}"

    @property
    def sortable(self) -> list[str]:
        """Columns of any file."""
        return list(dict.fromkeys(name for file in self.files for name in file.columns))

    def choose(self, *_: Any) -> None:
        """Filter and sort as the controls say; a bad filter is told and leaves the rows as they are."""
        with self._lock:
            sort = "" if self.sort.value == "as stored" else str(self.sort.value)
            try:
                self._rows_by(str(self.file.value), self.where.value, sort, self.descending.value)
                self.message = "" if self.rows else "no grasp meets the filter"
            except UserError as error:
                self.message = str(error)
            self.number.max = max(len(self.rows), 2)
            self.number.value = 1
            self.draw()

    def go(self, step: int) -> None:
        """To the next or the last grasp, round the end."""
        with self._lock:
            if self.rows:
                self.place = (self.place + step) % len(self.rows)
                self.number.value = self.place + 1
                self.draw()

    # -- controls

    def _build(self, where: str, sort: str, descending: bool) -> None:
        gui = self.server.gui
        gui.configure_theme(control_layout="collapsible", dark_mode=False, show_logo=False)
        labels = [ALL, *(self._label(i, f) for i, f in enumerate(self.files))]
        self.file = gui.add_dropdown("file", labels, initial_value=ALL, visible=len(self.files) > 1)
        self.number = gui.add_slider("grasp", 1, max(len(self.rows), 2), 1, 1)
        buttons = gui.add_button_group("", ("previous (P)", "next (N)"))
        self.time = gui.add_slider(
            "way", 0.0, 3.0, 0.02, 1.0, marks=tuple((v, name) for name, v in STAGES.items())
        )
        self.play = gui.add_button("play the way (space)")
        with gui.add_folder("filter and sort"):
            self.where = gui.add_text("filter", where, hint='e.g. "good and p_dep_cm < 0.2"')
            options = ["as stored", *self.sortable]
            self.sort = gui.add_dropdown("sort by", options, initial_value=sort or options[0])
            self.descending = gui.add_checkbox("greatest first", descending)
        with gui.add_folder("show", expand_by_default=False):
            names = ("contact region", "key points", "touching skin", "start of refinement", "hand")
            self.show = {n: gui.add_checkbox(n, n != "start of refinement") for n in names}
        with gui.add_folder("measures"):
            self.panel = gui.add_html("")
        for control in (self.file, self.where, self.sort, self.descending):
            control.on_update(self.choose)
        for control in (self.time, *self.show.values()):
            control.on_update(lambda _: self.draw())
        self.number.on_update(self._numbered)
        buttons.on_click(lambda event: self.go(1 if "next" in str(event.target.value) else -1))
        self.play.on_click(lambda _: self._play())
        keys: Any = (("next grasp", "N", 1), ("previous grasp", "P", -1))
        for label, key, step in keys:
            gui.add_command(label, hotkey=key).on_trigger(lambda _, step=step: self.go(step))
        gui.add_command("play the way", hotkey="space").on_trigger(lambda _: self._play())

    def _numbered(self, _: Any) -> None:
        with self._lock:
            place = int(self.number.value) - 1
            if place != self.place and place < len(self.rows):
                self.place = place
                self.draw()

    def _play(self) -> None:
        import time

        start = time.monotonic()
        while (at := 3.0 * (time.monotonic() - start) / WAY) < 3.0:
            self.time.value = round(at, 2)
            time.sleep(0.04)
        self.time.value = 3.0

    # -- the scene

    def _aim(self) -> None:
        if not self.rows:
            return
        file = self.files[self.rows[0][0]]
        center = np.nan_to_num(file.grasps.hand_pose[self.rows[0][1], :3])
        seen = self._object()
        if seen is not None:
            center = (seen.vertices.min(axis=0) + seen.vertices.max(axis=0)) / 2
        camera = self.server.initial_camera
        camera.look_at, camera.up = tuple(center), (0.0, 1.0, 0.0)
        camera.position = tuple(center + np.array([0.21, 0.15, 0.29]))

    def _object(self) -> Seen | None:
        file, row = self.files[self.rows[self.place][0]], self.rows[self.place][1]
        return self.objects.of(file, file.grasps.object_key[row])

    def draw(self) -> None:
        """Everything anew, as controls and `place` say."""
        with self._lock, self.server.atomic():
            if not self.rows:
                self._only({})
                self.panel.content = measures(None, 0, self.message)
                return
            number, row = self.rows[self.place]
            file, seen = self.files[number], self._object()
            at = at_stage(file.grasps, row, float(self.time.value))
            if not np.isfinite(at.pose).all() or not np.isfinite(at.joints).all():
                at = None
            lost = self.objects.lost.get((file.grasps.path, file.grasps.object_key[row]), "")
            self.panel.content = measures(
                file, row, self.message or lost, at, place=f"{self.place + 1} of {len(self.rows)}"
            )
            shapes = self._object_shapes(seen, file, row, 0.0 if at is None else at.lift)
            if at is not None:
                shapes |= self._hand_shapes(seen, file, row, at)
            self._only(shapes)

    def _object_shapes(self, seen: Seen | None, file: ViewFile, row: int, lift: float) -> dict[str, Any]:
        if seen is None:
            return {}
        target = seen.target(file.parts[row]) & self.show["contact region"].value
        raised = (0.0, lift, 0.0)
        scene, shapes = self.server.scene, {}
        pieces = [("rest", ~target, NEUTRAL)]
        pieces += [(f"part {k}", target & seen.is_part(k), part_color(k)) for k in file.parts[row]]
        own = seen.painted(~target) if not target.all() else None
        if own is not None:
            pieces = pieces[1:]
            shapes["/object/rest"] = scene.add_mesh_trimesh("/object/rest", own, position=raised)
        for name, faces, rgb in pieces:
            if faces.any():
                shapes[f"/object/{name}"] = scene.add_mesh_simple(
                    f"/object/{name}", seen.vertices, seen.faces[faces], color=byte(rgb), flat_shading=False,
                    side="double", position=raised,
                )  # fmt: skip
        points = file.points[row]
        if self.show["key points"].value and np.isfinite(points).all():
            for name, point, rgb in zip(("thumb", "index"), points, (THUMB, INDEX), strict=True):
                shapes[f"/points/{name}"] = scene.add_icosphere(
                    f"/points/{name}", 0.005, byte(rgb), position=tuple(point + raised)
                )
        return shapes

    def _hand_shapes(self, seen: Seen | None, file: ViewFile, row: int, at: At) -> dict[str, Any]:
        hand, scene = self._hand(file.grasps.hand), self.server.scene
        raised, shapes = np.array([0.0, at.lift, 0.0]), {}
        skin = posed_skin(hand, at.pose, at.joints)
        if self.show["hand"].value:
            shapes["/hand"] = scene.add_mesh_simple(
                "/hand", skin, hand.skin_faces, color=byte(SKIN), side="double", position=tuple(raised)
            )
        if self.show["key points"].value:
            pads = posed(hand, at.pose, at.joints, "pad") + raised
            shapes["/pads"] = scene.add_point_cloud(
                "/pads", pads, np.tile(np.array(byte(THUMB)), (len(pads), 1)), point_size=0.006,
                point_shape="circle", precision="float32",
            )  # fmt: skip
        if self.show["touching skin"].value and seen is not None:
            near = seen.distance(skin) < TOUCH
            if near.any():
                shapes["/touch"] = scene.add_point_cloud(
                    "/touch", skin[near] + raised, _CONTACT, point_size=0.003, point_shape="circle",
                    precision="float32",
                )  # fmt: skip
        if self.show["start of refinement"].value and file.start is not None:
            pose, joints = (values[row] for values in file.start)
            if np.isfinite(pose).all():
                shapes["/start"] = scene.add_mesh_simple(
                    "/start", posed_skin(hand, pose, joints), hand.skin_faces, color=(120, 120, 130),
                    opacity=0.35, side="double",
                )  # fmt: skip
        return shapes

    def _only(self, shapes: dict[str, Any]) -> None:
        """What was drawn before and is not now goes."""
        for name in self._drawn - set(shapes):
            self.server.scene.remove_by_name(name)
        self._drawn = set(shapes)

    def _hand(self, name: str) -> HandModel:
        if name not in self._hands:
            self._hands[name] = load_hand(name)
        return self._hands[name]
