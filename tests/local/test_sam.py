"""`sam:` with a real (tiny, random) SAM: shapes, coordinates, and the chain with its nonsense masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.local.tiny import save_sam
from tests.reasoning.things import Scripted, hammer
from zdg_jax import api
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.reasoning.segmenter import (
    AutomaticConfig,
    Sam,
    Segmenter,
    automatic_masks,
    load_sam,
    make_segmenter,
)
from zdg_jax.reasoning.state import ReasonConfig

pytestmark = pytest.mark.local
ANYTHING = AutomaticConfig(points_per_side=12, min_iou=-np.inf, min_stability=0.0, min_pixels=20)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_sam(tmp_path_factory.mktemp("sam")))


def picture(height: int = 48, width: int = 96) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_points_and_boxes_give_three_masks_of_the_pictures_size(path: str) -> None:
    sam = load_sam(path)
    at_points = sam.from_points(picture(), np.array([[10.0, 5.0], [90.0, 40.0]]))
    assert at_points.logits.shape == (2, 3, 48, 96)
    assert at_points.iou.shape == (2, 3)
    in_box = sam.from_box(picture(), np.array([10.0, 5.0, 50.0, 30.0]))
    assert in_box.logits.shape == (1, 3, 48, 96)
    assert np.isfinite(in_box.logits).all()


def test_the_same_as_transformers_own_processing(path: str) -> None:
    """Coordinates and masks as `SamProcessor` prepares and restores them."""
    import torch
    from transformers import SamModel
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil
    from transformers.models.sam.processing_sam import SamProcessor

    rgb, point = picture(), [[30.0, 20.0]]
    processor = SamProcessor(SamImageProcessorPil.from_pretrained(path))
    model = SamModel.from_pretrained(path).eval()
    inputs = processor(images=rgb, input_points=[[point]], return_tensors="pt")
    with torch.inference_mode():
        said = model(**{k: v for k, v in inputs.items() if k in ("pixel_values", "input_points")})
    ours = load_sam(path).from_points(rgb, np.array(point))
    np.testing.assert_allclose(ours.iou, said.iou_scores[0].numpy(), rtol=1e-4, atol=1e-5)
    theirs = processor.post_process_masks(
        said.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"], binarize=False
    )[0]
    np.testing.assert_allclose(ours.logits, np.asarray(theirs), rtol=1e-3, atol=1e-4)


def test_a_picture_is_embedded_once(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sam = load_sam(path)
    assert isinstance(sam, Sam)
    embed, calls = sam._model.get_image_embeddings, []
    monkeypatch.setattr(sam._model, "get_image_embeddings", lambda p: calls.append(1) or embed(p))
    other = picture(40, 40)
    for _ in range(2):
        sam.from_points(other, np.array([[3.0, 3.0]]))
    sam.from_box(other, np.array([0.0, 0.0, 9.0, 9.0]))
    assert len(calls) == 1


def test_automatic_masks_are_cut_to_the_object_and_differ(path: str) -> None:
    on = np.zeros((48, 96), bool)
    on[10:40, 20:80] = True
    found = automatic_masks(load_sam(path), picture(), on, ANYTHING)
    assert len(found.masks) >= 1
    assert not (found.masks & ~on).any()
    assert (np.diff(found.score) <= 0).all()


def test_the_chain_with_nonsense_masks_ends_with_a_status(path: str) -> None:
    config = ReasonConfig(
        image_size=96,
        shown_scale=1,
        min_part_pixels=5,
        segmenter=Segmenter(load_sam(path), ANYTHING),
        view_index="auto",
    )
    said = api.reason_task(
        hammer(600), load_hand("human16"), "hammer a nail", Scripted(direction=[{"direction": "above"}]),
        config=config,
    )  # fmt: skip
    assert said.grasp.status in {"ok", "empty_region"}
    assert said.trace["segmenter"] == f"sam:{path}"


def test_no_such_sam(tmp_path: Path, path: str) -> None:
    with pytest.raises(UserError, match="SAM"):
        make_segmenter(f"sam:{tmp_path}")
    segmenter = make_segmenter(f"sam:{path}")
    assert segmenter is not None
    assert segmenter.name == f"sam:{path}"
