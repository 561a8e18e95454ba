"""Contact number, distance and consistency by counting."""

from __future__ import annotations

import numpy as np

from sim_eval.metrics.contact import (
    contact_consistency,
    contact_number,
    finger_gaps,
    links_in_contact,
    mean_contact_distance,
)

LINK = np.array([0, 0, 1, 1, 3, 3])
FINGER = np.array([-1, -1, 0, 0, 1, 1])
PHI = np.array(
    [
        [0.001, 0.5, -0.0019, 0.004, -0.009, -0.003],  # palm and link 1; link 3 is buried
        [0.0021, 0.5, 0.004, 0.006, 0.05, 0.002],  # on the threshold is out
        [np.nan] * 6,
    ]
)


def test_links():
    links = links_in_contact(PHI, LINK, 4)
    np.testing.assert_array_equal(links[0], [True, True, False, False])
    np.testing.assert_array_equal(contact_number(links), [2, 0, 0])


def test_fingers():
    gaps = finger_gaps(PHI, FINGER)
    np.testing.assert_allclose(gaps[:2], [[-0.0019, -0.009], [0.004, 0.002]])
    np.testing.assert_allclose(mean_contact_distance(gaps)[:2], [0.0, 0.3])
    np.testing.assert_allclose(contact_consistency(gaps)[:2], [0.71, 0.2])
    assert np.isnan(gaps[2]).all()


def test_a_finger_far_off_counts_as_the_margin():
    gaps = finger_gaps(np.array([[1.0, 1.0, 0.0, 0.0, 0.7, 0.9]]), FINGER)
    np.testing.assert_allclose(mean_contact_distance(gaps), [0.5])
    np.testing.assert_allclose(contact_consistency(gaps), [1.0])
