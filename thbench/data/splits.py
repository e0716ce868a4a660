"""Which persons are test persons: VoxCeleb's official lists, or else a seeded choice.

Sources: VoxCeleb1 test is id10270-id10309 (Nagrani et al. 2017), whose forty names all begin with
E. The 118 test persons of VoxCeleb2 (Chung et al. 2018) are those that public preprocessing code
lists.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from thbench.errors import ThbenchError

VOXCELEB1_TEST_IDS = frozenset(f"id{number}" for number in range(10270, 10310))
_VOXCELEB1_TEST_NAMES = """
    Eartha_Kitt Ed_Westwick Eddie_Griffin Eddie_Izzard Eddie_Kaye_Thomas Eddie_McClintock
    Edgar_Wright Eduardo_Noriega Edward_Asner Efren_Ramirez Elaine_Cassidy Elaine_Hendrix
    Eleanor_Tomlinson Eli_Roth Eli_Wallach Elisabeth_Moss Elle_Fanning Ellen_Burstyn Ellen_Wong
    Elodie_Yung Emile_Hirsch Emily_Atack Emraan_Hashmi Eoin_Macken Eric_Braeden Eric_Dane
    Eric_McCormack Eric_Roberts Erik_Estrada Erin_Andrews Ernest_Borgnine Ernie_Hudson Esai_Morales
    Estelle_Harris Eugene_Levy Eugenio_Derbez Eva_Green Eva_Longoria Evanna_Lynch Ezra_Miller
"""
_VOXCELEB2_TEST_NUMBERS = """
    00017 00061 00081 00154 00419 00562 00812 00817 00866 00926 01000 01041 01066 01106 01224 01228
    01298 01333 01437 01460 01509 01541 01567 01593 01618 01822 01892 01989 02019 02057 02086 02181
    02286 02317 02445 02465 02542 02548 02576 02577 02685 02725 02745 03030 03041 03127 03178 03347
    03382 03524 03677 03789 03839 03862 03969 03978 03980 03981 04006 04030 04094 04119 04232 04253
    04276 04295 04366 04478 04536 04570 04627 04656 04657 04862 04950 05015 05055 05124 05176 05202
    05459 05594 05654 05714 05816 05850 05999 06104 06209 06310 06484 06692 06811 06816 06913 07312
    07354 07396 07414 07426 07494 07620 07621 07663 07802 07868 07874 07961 08149 08374 08392 08456
    08548 08552 08696 08701 08911 09017
"""
VOXCELEB1_TEST_NAMES = frozenset(_VOXCELEB1_TEST_NAMES.split())
VOXCELEB2_TEST_IDS = frozenset(f"id{number}" for number in _VOXCELEB2_TEST_NUMBERS.split())
OFFICIAL = {
    "vox1-frames": VOXCELEB1_TEST_NAMES,
    "vox-mp4": VOXCELEB1_TEST_IDS | VOXCELEB2_TEST_IDS,
    "vox-flat": VOXCELEB1_TEST_IDS,
}


@dataclass(frozen=True)
class SplitRule:
    """How test persons are chosen: those named, else official ones, else a seeded fraction."""

    test_persons: tuple[str, ...] = ()
    test_fraction: float = 0.2
    seed: int = 0


def choose_test_persons(
    rule: SplitRule, layout: str, persons: Collection[str]
) -> tuple[frozenset[str], dict[str, Any]]:
    """(test persons, how they were chosen, for the record); every other person is for training.

    The seeded choice ranks persons by a hash of seed and name: adding a person never moves another
    one across more than the edge. Two persons or more give at least one test person, unless the
    fraction is 0. Raises `ThbenchError` when a named person is not here.
    """
    if rule.test_persons:
        unknown = sorted(set(rule.test_persons) - set(persons))
        if unknown:
            raise ThbenchError(
                f"--test-persons names {unknown[0]!r}, who has no frames here; persons: "
                f"{_some(sorted(persons))}"
            )
        return frozenset(rule.test_persons), {"rule": "named"}

    official = OFFICIAL.get(layout, frozenset()) & set(persons)
    if official:
        return official, {"rule": "official VoxCeleb test persons"}

    count = round(rule.test_fraction * len(persons))
    if rule.test_fraction > 0 and len(persons) > 1:
        count = max(1, count)

    def rank(person: str) -> bytes:
        return hashlib.sha256(f"{rule.seed}:{person}".encode()).digest()

    how = {"rule": "seeded", "seed": rule.seed, "test_fraction": rule.test_fraction}
    return frozenset(sorted(persons, key=rank)[:count]), how


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
