"""Contact metrics by counting."""

from __future__ import annotations

import numpy as np

from sim_eval.metrics.contact import (
    contact_gap,
    finger_count,
    on_part,
    part_accuracy,
    semantic_contact_ratio,
    touching,
)

FINGER = np.array([-1, 0, 0, 1, 1, 2])
PHI = np.array(
    [
        [0.0, 0.001, 0.006, -0.01, 0.004, 0.2],  # palm, one of finger 0, both of finger 1
        [0.006, 0.02, 0.03, 0.04, 0.05, 0.06],  # nothing at 5 mm
        [np.nan] * 6,
    ]
)
CORRECT = np.array([[True, True, True, False, True, True]] * 3)


def test_touching_counts_inside_and_not_nan():
    np.testing.assert_array_equal(touching(PHI)[0], [True, True, False, True, True, False])
    np.testing.assert_array_equal(touching(PHI, 0.002)[0], [True, True, False, True, False, False])
    assert not touching(PHI)[1:].any()


def test_contact_number_leaves_out_the_palm():
    np.testing.assert_array_equal(finger_count(touching(PHI), FINGER), [2, 0, 0])


def test_contact_gap():
    np.testing.assert_allclose(contact_gap(PHI)[:2], [0.0, 0.6])


def test_part_accuracy_and_ratio():
    touch = touching(PHI)
    np.testing.assert_array_equal(part_accuracy(touch, CORRECT), [1, 0, 0])
    np.testing.assert_allclose(semantic_contact_ratio(touch, CORRECT, FINGER), [2 / 3, 0, 0])
    np.testing.assert_array_equal(part_accuracy(touch, ~touch), [0, 0, 0])
    np.testing.assert_allclose(semantic_contact_ratio(touch, touch, FINGER), [1, 0, 0])


def test_on_part_takes_the_nearest_sample():
    samples = np.array([[0.0, 0, 0], [1.0, 0, 0]])
    skin = np.array([[[0.1, 0.2, 0], [0.9, -0.2, 0], [np.nan, 0, 0]]])
    np.testing.assert_array_equal(on_part(skin, samples, np.array([False, True])), [[False, True, False]])
