"""Route 3: from a network to minima that training finds, and the paths between them.

In: a loss with gradients, and starts. Out: :class:`Minima` and :class:`Paths`, whose graph bounds the passes from above. Read in the
order ``_training`` and ``_descent`` (how minima are found), ``_find_minima``, ``_minima``, ``_classes`` (how often each was found, and how
many are missing) and ``_minima_of``; then ``_polylines`` and ``_strings`` (how paths relax), ``_saddles`` (what their tops are),
``_connect`` and ``_paths``, ``_evidence`` (what is known of bars). ``_checkpoints`` drives both to their end.

The lowest ways from minima to anything lower, :class:`TransitionNetwork`: ``_soft_modes``, ``_short_steps``, ``_saddle_search``,
``_flood_state`` (the catalogue), ``_explore`` (one round), ``_flood`` (in which order), ``_escapes`` and ``_transition_network``.
"""

from ._classes import Coverage
from ._connect import connect
from ._escapes import transition_network
from ._evidence import EndEvidence
from ._find_minima import find_minima
from ._minima import Minima
from ._minima_of import minima_of
from ._paths import Paths
from ._saddles import SaddleEvidence
from ._subgradient import subgradient_norm
from ._training import TrainingSchedule
from ._transition_network import PassKind, TransitionNetwork

__all__ = [
    "Coverage", "EndEvidence", "Minima", "PassKind", "Paths", "SaddleEvidence", "TrainingSchedule", "TransitionNetwork", "connect",
    "find_minima", "minima_of", "subgradient_norm", "transition_network",
]  # fmt: skip
