# SPDX-License-Identifier: Apache-2.0
"""The model services and a cart on adjoin's own SDK, contract first.

python service.py DESCRIPTORS

Listens on HOST and PORT, prints ``listening on ADDRESS`` once clients can connect, and ends on SIGTERM. DESCRIPTORS is
an encoded ``FileDescriptorSet`` of ``../proto`` with everything that it imports.
"""

from __future__ import annotations

import os

import action
import adjoin
import cart
import eventlog
import eventsourced
import valueentity

app = adjoin.App(
    eventsourced.Model, eventsourced.Two, eventsourced.Configured,
    valueentity.Model, valueentity.Two, valueentity.Configured,
    action.Model, action.Two,
    eventlog.Subscriber, eventlog.One, eventlog.Two,
    cart.Cart,
)  # fmt: skip

if __name__ == "__main__":
    where = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8080')}"
    app.serve(where, on_ready=lambda address: print(f"listening on {address.removeprefix('tcp://')}", flush=True))
