# SPDX-License-Identifier: Apache-2.0
from dataclasses import dataclass

import adjoin
from adjoin import Rejected, command, event


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

    @event
    def on_deposited(self, e: Deposited) -> None:
        self.balance += e.amount


app = adjoin.App(Account)

if __name__ == "__main__":
    with app.open("./accounts") as rt:
        ada = rt.entity(Account, "ada")
        print("balance", ada.deposit(10), "then", ada.deposit(5))
    with app.open("./accounts") as rt:  # opened again: the journal is on disk
        ada = rt.entity(Account, "ada")
        print("again", ada.deposit(1))
        try:
            ada.deposit(0)
        except Rejected as refused:
            print("refused:", refused.message)
