"""The report: complete, in order, self-contained, and safe against what users and models write."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.report.html import build_report, data_uri

VOID = {"meta", "img", "br", "link", "input", "hr"}
LIMITS = {"p_dep_cm": 0.3, "p_vol_cm3": 3.0, "sim_dis_cm": 2.0}


class Page(HTMLParser):
    """Checks nesting while collecting texts by tag and every attribute that could load something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.classes: dict[str, list[str]] = {}
        self.feed(page)
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        self.last_class = dict(attrs).get("class") or ""
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.stack[-1], data.strip()))
            self.classes.setdefault(self.last_class, []).append(data.strip())

    def all_text(self) -> str:
        return " ".join(text for _, text in self.texts)


def stage(name: str, answer: dict[str, Any] | None, candidates: list[str], **more: Any) -> dict[str, Any]:
    images = more.pop("images", [f"{name}.png"])
    return {
        "stage": name, "prompt": f"prompt of {name}", "images": images, "candidates": candidates,
        "answer": answer, "attempts": [{"answer": answer, "refused": None, "call": None}], **more,
    }  # fmt: skip


def trace(**more: Any) -> dict[str, Any]:
    stages = [
        stage("view", {"reasoning": "shows the handle", "view": 2}, ["1", "2", "3", "4"]),
        stage(
            "func_part",
            {"reasoning": "near the head", "parts": [1, 3], "needs_points": True},
            ["1", "2", "3"],
        ),
        stage(
            "direction", {"reasoning": "from the side", "direction": "front-right"}, ["front", "front-right"]
        ),
    ]
    return {
        "task": "hammer a nail",
        "object_id": "ycb:048_hammer",
        "hand": "human16",
        "reasoner": "offline",
        "stages": stages,
        **more,
    }


def pictures(*names: str) -> dict[str, Image.Image]:
    rng = np.random.default_rng(0)
    return {name: Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)) for name in names}


PICTURES = pictures("view.png", "func_part.png", "direction.png")
GRASP = {
    "grasp_type": "handle-grasp", "p_dep_cm": 0.21, "p_vol_cm3": 3.5, "sim_dis_cm": 0.8, "contact_end": True,
    "energy_total": 12.3456,
    "energy": {"cont_func": 1.0, "cont_unf": 0.2, "cmap": 0.3, "pen": 0.4, "spen": 0.0,
               "fc": 1.0, "pip": 0.0},
    "status": "ok",
}  # fmt: skip


def test_stages_come_in_order_with_picture_answer_and_candidates() -> None:
    page = Page(build_report(trace(), [GRASP], PICTURES))
    text = page.all_text()
    places = [text.index(t) for t in ("shows the handle", "near the head", "from the side")]
    assert places == sorted(places)
    for expected in (
        "hammer a nail",
        "ycb:048_hammer",
        "human16",
        "offline",
        "1, 3",
        "yes",
        "front-right",
        "prompt of view",
    ):
        assert expected in text
    assert page.classes["chosen"] == ["2", "1", "3", "front-right"]
    assert page.tags.count("img") == 3
    assert page.tags.count("article") == 3


def test_page_is_self_contained() -> None:
    report = build_report(
        trace(), [GRASP], PICTURES, object_picture=PICTURES["view.png"], grasp_picture=PICTURES["view.png"]
    )
    page = Page(report)
    assert len(page.loads) == 5
    assert all(load.startswith("data:image/jpeg;base64,") for load in page.loads)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert not re.search(r"https?://|@import|url\(", report)


def test_what_users_and_models_write_is_text_not_markup() -> None:
    nasty = '<script>alert("x")</script><img src=http://a.b/c>&'
    odd = trace(task=nasty, object_id=nasty, warnings=[nasty], status="failed", status_reason=nasty)
    odd["stages"] = [
        stage("view", {"reasoning": nasty, "view": nasty}, [nasty], prompt=nasty,
              attempts=[{"answer": {"view": nasty}, "refused": nasty, "call": None}])
    ]  # fmt: skip
    page = Page(build_report(odd, [{**GRASP, "grasp_type": nasty}], PICTURES, notes=[nasty]))
    assert "script" not in page.tags
    assert page.tags.count("img") == 1
    assert page.all_text().count(nasty) >= 9


def test_refused_answers_are_shown_with_their_reason() -> None:
    asked = trace()
    asked["stages"][1]["attempts"] = [
        {"answer": {"reasoning": "r", "parts": [9]}, "refused": "Part '9' is not among these.", "call": None},
        {"answer": None, "refused": "answer was cut off", "call": None},
        {"answer": asked["stages"][1]["answer"], "refused": None,
         "call": {"model": "some-model", "provider": "p", "latency_s": 1.25, "cost_usd": 0.0123}},
    ]  # fmt: skip
    text = Page(build_report(asked, [GRASP], PICTURES)).all_text()
    for expected in (
        "parts: 9",
        "Part '9' is not among",
        "no usable answer",
        "answer was cut off",
        "some-model · 1.25 s · $0.0123",
        "asked 3 times",
    ):
        assert expected in text


def test_a_failed_task_says_so_and_why() -> None:
    failed = trace(
        status="invalid_answer",
        status_reason="stage direction: nothing usable",
        warnings=["eq. 3 filtered all"],
    )
    failed["stages"][2]["answer"] = None
    failed["stages"][2]["attempts"] = [{"answer": None, "refused": "timeout", "call": None}]
    text = Page(build_report(failed, [], PICTURES)).all_text()
    for expected in (
        "invalid_answer",
        "stage direction: nothing usable",
        "eq. 3 filtered all",
        "No answer was accepted.",
        "No grasp was kept.",
    ):
        assert expected in text


def test_table_marks_what_is_within_the_limits() -> None:
    lost = {
        **GRASP,
        "contact_end": False,
        "sim_dis_cm": None,
        "p_vol_cm3": 1.0,
        "energy_total": float("nan"),
        "status": "diverged",
    }
    page = Page(build_report(trace(), [GRASP, lost], PICTURES, limits=LIMITS))
    good, bad = page.classes["good"], page.classes["bad"]
    for value in ("0.21", "0.80", "1.00", "yes"):
        assert value in good
    for value in ("3.50", "lost", "diverged"):
        assert value in bad
    assert "12.346" in page.all_text()
    cells = [text for tag, text in page.texts if tag == "td"]
    assert len(cells) == 2 * 25
    assert (
        cells.count("–") == 2 + 2 * 10
    )  # no displacement, energy, further metric or closing: a dash, never a zero
    figures = {text: i for i, (_, text) in enumerate(page.texts)}
    assert page.texts[figures["within all limits"] - 1][1] == "0"


def test_pictures_survive_inlining() -> None:
    picture = Image.new("RGB", (40, 30), (200, 60, 30))
    raw = base64.b64decode(data_uri(picture).split(",")[1])
    back = np.asarray(Image.open(io.BytesIO(raw))).astype(int)
    assert back.shape == (30, 40, 3)
    assert np.abs(back - [200, 60, 30]).max() <= 3


def test_a_picture_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match=r"direction\.png"):
        build_report(trace(), [GRASP], pictures("view.png", "func_part.png"))
