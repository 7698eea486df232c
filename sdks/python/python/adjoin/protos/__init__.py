# SPDX-License-Identifier: Apache-2.0
"""The option files that contracts import: ``cloudstate/entity_key.proto`` and ``cloudstate/eventing.proto``.

``python -m adjoin.protos`` prints the folder, for a compiler's ``-I``.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
"""Where they are."""
