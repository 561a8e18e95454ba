"""Fields that stay on a device: what a look-up finds does not depend on what else is there."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from zdg_jax.objects.model import SignedDistanceField
from zdg_jax.objects.sdf import query

ROOM = (40_000, 60_000)
CPU = jax.local_devices()[0]


def field(seed: int, cells: int = 3_000, rows: int = 9_000) -> SignedDistanceField:
    rng = np.random.default_rng(seed)
    return SignedDistanceField(
        np.eye(3), np.zeros(3), 0.01, (cells, 1, 1),
        (rng.integers(rows, size=cells) << 1).astype(np.int32),
        rng.integers(2**32, size=(rows, 4), dtype=np.uint32),
    )  # fmt: skip


def check(got, fields) -> None:
    entries, rows, begin = got
    for f in fields:
        mine = np.asarray(entries)[begin[id(f)] : begin[id(f)] + len(f.entries)]
        assert (mine & 1 == f.entries & 1).all()
        np.testing.assert_array_equal(np.asarray(rows)[mine >> 1], f.rows[f.entries >> 1])


def test_laid_end_to_end_on_a_cpu() -> None:
    fields = [field(k) for k in range(3)]
    check(query.tables(CPU, ROOM, [*fields, fields[0]]), fields)


@pytest.fixture
def kept() -> query._Resident:
    return query._Resident(CPU, ROOM)


def test_a_field_is_sent_once(kept: query._Resident, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = field(0), field(1)
    first = kept.with_all([a, b])
    monkeypatch.setattr(query, "_written", None)
    again = kept.with_all([b, a])
    assert again[0] is first[0]
    assert again[1] is first[1]
    check(again, [a, b])


def test_what_was_given_away_stays_while_others_come_and_go(kept: query._Resident) -> None:
    rounds = [[field(10 * k + j) for j in range(2 + k % 3)] for k in range(8)]
    given = [(kept.with_all(fields), fields) for fields in rounds]  # more than there is room for
    for got, fields in given:
        check(got, fields)


def test_one_that_is_gone_is_not_taken_for_another(kept: query._Resident) -> None:
    a = field(0)
    kept.with_all([a])
    key = id(a)
    other = field(1)
    kept._known[id(other)] = kept._known.pop(key)  # as if it lay at the same address
    check(kept.with_all([other]), [other])
    del a


def test_larger_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "_BLOCK", 1 << 12)
    kept = query._Resident(CPU, ROOM)
    fields = [field(k, 5_000, 13_001) for k in range(4)]
    check(kept.with_all(fields), fields)


def test_a_device_with_memory_of_its_own_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "_has_memory_of_its_own", lambda device: True)
    monkeypatch.setattr(query, "_KEPT", {})
    a, b = field(0), field(1)
    check(query.tables(CPU, ROOM, [a]), [a])
    kept = query._KEPT[CPU]
    check(query.tables(CPU, ROOM, [a, b]), [a, b])
    assert query._KEPT[CPU] is kept
    assert len(kept._known) == 2
    check(query.tables(CPU, (80_000, 80_000), [b]), [b])
    assert query._KEPT[CPU] is not kept
