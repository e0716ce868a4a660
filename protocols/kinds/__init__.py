"""The kinds of protocols, each a module of its own: how its split is drawn and checked, what drives
a head, and what its results stand beside.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocols.kinds.base import Definition
from protocols.kinds.cross_reenactment import CrossReenactment
from protocols.kinds.self_reenactment import SelfReenactment
from protocols.kinds.timing import Timing

KINDS: Mapping[str, type[Definition]] = {
    kind.kind: kind for kind in (SelfReenactment, CrossReenactment, Timing)
}
