# SPDX-License-Identifier: Apache-2.0
import sys
from dataclasses import dataclass

import adjoin
from adjoin import Rejected, command, event, query


@dataclass
class Deposited:
    amount: int


@dataclass
class Account(adjoin.EventSourced, name="bank.Account"):
    balance: int = 0  # the fields are the state

    @command
    def deposit(self, amount: int) -> int:
        if amount < 1:
            raise Rejected("a deposit is at least 1")  # changes nothing
        self.emit(Deposited(amount))  # journalled, then applied
        return self.balance

    @query
    def total(self) -> int:
        return self.balance

    @event
    def on_deposited(self, e: Deposited) -> None:
        self.balance += e.amount


app = adjoin.App(Account)

if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else "./accounts"
    with app.open(folder) as rt:
        ada = rt.entity(Account, "ada")
        print("balance", ada.deposit(10), "then", ada.deposit(5))
        try:
            ada.deposit(0)
        except Rejected as refused:
            print("refused:", refused.message)
    with app.open(folder) as rt:  # opened again: the journal is on disk
        print("still", rt.entity(Account, "ada").total())
