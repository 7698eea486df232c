# SPDX-License-Identifier: Apache-2.0
"""The model service of the conformance cases, contract first: what ``conformance/README.md`` asks, and the shop.

python app.py serve ADDRESS [--version N]                      behind a host
python app.py open FOLDER|memory --http ADDRESS [--version N]  in this process
"""

from __future__ import annotations

import argparse

import adjoin
import generated  # noqa: F401 - makes the modules that the others import
import shop
from cell import Brief, Cell
from counter import Counter
from person import person
from relay import Echo, Relay


def main() -> None:
    """Runs the service as the arguments say."""
    parser = argparse.ArgumentParser(description="The model service of the conformance cases, contract first.")
    modes = parser.add_subparsers(dest="mode", required=True)
    serve = modes.add_parser("serve", help="behind a host")
    serve.add_argument("address")
    opens = modes.add_parser("open", help="in this process")
    opens.add_argument("folder", metavar="FOLDER|memory")
    opens.add_argument("--http", required=True)
    for mode in (serve, opens):
        mode.add_argument("--version", type=int, default=1)
    args = parser.parse_args()
    app = adjoin.App(Counter, Brief, Cell, Relay, Echo, person(args.version), shop.Cart, shop.Profile, shop.Mailer)
    if args.mode == "serve":
        app.serve(args.address, on_ready=lambda address: print(f"ready at tcp://{address}", flush=True))
        return
    with app.open(None if args.folder == "memory" else args.folder, http=args.http) as rt:
        rt.wait(lambda: print(f"ready at http://{str(rt.http).removeprefix('http://')}", flush=True))


if __name__ == "__main__":
    main()
