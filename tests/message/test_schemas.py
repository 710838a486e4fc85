"""Data that does not fit its schema is refused with its event and its path, in whichever way the schema is written."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated, Any

import msgspec
import pydantic
import pytest

from reznet_ws.message.fields import PayloadError
from reznet_ws.message.schemas import SchemaError, Schemas


class PriceStruct(msgspec.Struct):
    symbol: str
    price: float
    history: list[int] = []
    at: datetime | None = None


class PriceModel(pydantic.BaseModel):
    symbol: str
    price: float
    history: list[int] = []
    at: datetime | None = None


PRICE_JSON = {
    "type": "object",
    "required": ["symbol", "price"],
    "properties": {
        "symbol": {"type": "string"},
        "price": {"type": "number"},
        "history": {"type": "array", "items": {"type": "integer"}},
        "at": {"type": ["string", "null"]},
    },
}
KINDS: dict[str, Any] = {"msgspec": PriceStruct, "pydantic": PriceModel, "JSON Schema": PRICE_JSON}


@pytest.mark.parametrize("schema", KINDS.values(), ids=KINDS)
def test_what_fits_passes_and_what_does_not_is_named(schema: Any) -> None:
    schemas = Schemas({"price": schema})
    price = {"symbol": "ACME", "price": 10, "history": [1, 2], "at": "2025-10-25T12:00:00Z"}
    schemas.check("price", price)
    schemas.check("price", price | {"history": (1, 2)})
    schemas.check("price", {"symbol": "ACME", "price": 10.5})
    for wrong, path in [
        ({**price, "price": "10"}, "$.price"),
        ({**price, "history": [1, 2, "3"]}, "$.history[2]"),
        ({**price, "symbol": None}, "$.symbol"),
        ("ACME", "$"),
        (None, "$"),
    ]:
        with pytest.raises(PayloadError) as refused:
            schemas.check("price", wrong)
        assert (refused.value.event, refused.value.path) == ("price", path)
        assert str(refused.value).startswith(f"price: {path} ")
    with pytest.raises(PayloadError, match="symbol"):
        schemas.check("price", {"price": 10})
    schemas.check("another event", object())


def test_several_arguments_are_a_list_and_none_is_none() -> None:
    schemas = Schemas({"two": tuple[int, str], "nothing": None, "one": {"type": "integer"}})
    schemas.check("two", (1, "a"))
    schemas.check("nothing", None)
    schemas.check("one", 1)
    for event, data in [("two", (1, 2)), ("two", 1), ("nothing", 1), ("one", (1,))]:
        with pytest.raises(PayloadError):
            schemas.check(event, data)


def test_bytes_are_bytes() -> None:
    class Picture(pydantic.BaseModel):
        data: bytes

    schemas = Schemas({"struct": msgspec.defstruct("Picture", [("data", bytes)]), "model": Picture})
    for event in ("struct", "model"):
        schemas.check(event, {"data": b"\x00\xff"})
        with pytest.raises(PayloadError):
            schemas.check(event, {"data": [1]})


def test_an_event_with_a_field_that_says_so_is_never_compressed() -> None:
    class Login(pydantic.BaseModel):
        token: str = pydantic.Field(json_schema_extra={"never_compress": True})

    class Session(pydantic.BaseModel):
        logins: list[Login]

    token = Annotated[str, msgspec.Meta(extra_json_schema={"never_compress": True})]
    schemas = Schemas(
        {
            "model": Session,
            "struct": msgspec.defstruct("Login", [("token", token)]),
            "json": {"properties": {"token": {"type": "string", "never_compress": True}}},
            "not marked": {"properties": {"token": {"type": "string", "never_compress": False}}},
            "price": PriceStruct,
        }
    )
    assert schemas.secret_events == {"model", "struct", "json"}


@pytest.mark.parametrize(
    "schema", [{"type": "nothing"}, {"$ref": "https://example.com/price.json"}, {"$ref": "price.json"}, object(), 7]
)
def test_what_is_no_schema_or_has_to_be_fetched_is_refused_at_once(schema: Any) -> None:
    with pytest.raises(SchemaError, match=r"price: .* is no schema"):
        Schemas({"price": schema})


@pytest.mark.parametrize(("schema", "library"), [(PRICE_JSON, "jsonschema"), (PriceModel, "pydantic")])
def test_a_library_that_is_not_there_is_named(schema: Any, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SchemaError, match=f"price: .*{library}.*reznet-ws\\[schemas\\]"):
        Schemas({"price": schema})


def test_a_type_without_msgspec_is_pydantic_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    schemas = Schemas({"counts": list[int]})
    schemas.check("counts", [1, 2])
    with pytest.raises(PayloadError, match=r"counts: \$\[1\] "):
        schemas.check("counts", [1, "2"])
