# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pickle

import adjoin
import pytest
from adjoin import errors

# architecture.md §9: kind, canonical code, outcome when nobody says otherwise.
TABLE = [
    ("Invalid", "INVALID_ARGUMENT", "none"),
    ("NotFound", "NOT_FOUND", "none"),
    ("Rejected", "FAILED_PRECONDITION", "none"),
    ("Conflict", "ABORTED", "none"),
    ("Denied", "PERMISSION_DENIED", "none"),
    ("Exhausted", "RESOURCE_EXHAUSTED", "none"),
    ("Unavailable", "UNAVAILABLE", "none"),
    ("Expired", "DEADLINE_EXCEEDED", "unknown"),
    ("Fenced", "ABORTED", "none"),
    ("Corrupt", "DATA_LOSS", "none"),
    ("Protocol", "INTERNAL", "unknown"),
    ("Internal", "INTERNAL", "none"),
]


def test_every_kind_has_a_class_with_the_code_and_outcome_of_the_table() -> None:
    assert list(errors.KINDS) == [kind for kind, _, _ in TABLE]
    for kind, code, outcome in TABLE:
        error = getattr(adjoin, kind)("x")
        assert isinstance(error, adjoin.Error)
        assert (error.kind, error.code, error.outcome, str(error)) == (kind, code, outcome, "x")


@pytest.mark.parametrize("kind", errors.KINDS)
def test_every_kind_survives_the_wire_and_pickle(kind: str) -> None:
    error = errors.KINDS[kind](
        "what to do", code="NOT_FOUND", context={"entity": "shop.Cart/ada"}, outcome="unknown", retry_after=1.5
    )
    for back in (errors.from_wire(errors.to_wire(error)), pickle.loads(pickle.dumps(error))):
        assert type(back) is type(error)
        assert back.__dict__ == error.__dict__


def test_a_code_travels_only_when_it_is_not_the_kinds_own() -> None:
    assert errors.to_wire(adjoin.Rejected("no"))[4] is None
    assert errors.to_wire(adjoin.Rejected("no", code="NOT_FOUND"))[4] == "NOT_FOUND"


def test_a_code_that_is_none_is_refused_where_it_is_given() -> None:
    with pytest.raises(ValueError, match="canonical code"):
        adjoin.Rejected("no", code="MISSING")  # type: ignore[arg-type]


def test_an_unknown_kind_keeps_its_text() -> None:
    back = errors.from_wire(("Novel", "of later", (), "none", "ALSO_NEW", None))
    assert type(back) is adjoin.Internal
    assert back.message == "of later"


def test_the_codes_have_the_numbers_of_grpc() -> None:
    assert len(errors.CODES) == 16
    assert errors.CODES[4] == "NOT_FOUND"
