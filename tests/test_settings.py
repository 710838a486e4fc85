"""`Settings` takes what it can do, refuses the rest by name, and never changes."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from reznet_ws.settings import Latest, Settings, SettingsError

FIELDS = dataclasses.fields(Settings)
FIGURES = [item for item in FIELDS if "low" in item.metadata]
SWITCHES = [item for item in FIELDS if item.type == "bool"]
RULES = [item for item in FIELDS if item.type.startswith("tuple[")]
NAMES = [item for item in FIELDS if item.type == "frozenset[str]"]
WHOLE = [item for item in FIGURES if item.type == "int"]


def _id(item: Any) -> str:
    return str(item.name)


def test_every_field_says_how_a_widget_shows_it() -> None:
    assert len(FIGURES) + len(SWITCHES) + len(NAMES) + len(RULES) == len(FIELDS)
    for item in FIELDS:
        assert item.metadata["label"]
    for item in FIGURES:
        assert item.metadata["low"] <= item.default <= item.metadata["high"]


@pytest.mark.parametrize("item", FIGURES, ids=_id)
def test_a_figure_takes_both_its_bounds(item: Any) -> None:
    for bound in (item.metadata["low"], item.metadata["high"]):
        assert getattr(Settings(**{item.name: bound}), item.name) == bound


@pytest.mark.parametrize("item", FIGURES, ids=_id)
def test_an_error_names_the_field_the_value_and_the_bounds(item: Any) -> None:
    low, high = item.metadata["low"], item.metadata["high"]
    for value in (low - 1, high + 1):
        with pytest.raises(SettingsError) as caught:
            Settings(**{item.name: value})
        for part in (f"{item.name}:", repr(value), f"{low} to {high}", item.metadata["unit"]):
            assert part in str(caught.value)
        assert str(caught.value) == str(caught.value).rstrip()


@pytest.mark.parametrize("item", FIGURES, ids=_id)
@pytest.mark.parametrize("value", [None, "12", True, [], 1j], ids=repr)
def test_a_figure_is_a_number(item: Any, value: Any) -> None:
    with pytest.raises(SettingsError, match=rf"^{item.name}: .* is not a .*number$"):
        Settings(**{item.name: value})


@pytest.mark.parametrize("item", WHOLE, ids=_id)
def test_a_figure_that_counts_is_whole(item: Any) -> None:
    with pytest.raises(SettingsError, match=f"{item.name}: .* is not a whole number"):
        Settings(**{item.name: float(item.default)})


@pytest.mark.parametrize("name", ["batch_window_ms", "gzip_max_ratio"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=repr)
def test_a_figure_is_finite(name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"{name}: {value!r}"):
        Settings(**{name: value})


@pytest.mark.parametrize("item", SWITCHES, ids=_id)
@pytest.mark.parametrize("value", [None, 0, 1, "yes"], ids=repr)
def test_a_switch_is_on_or_off(item: Any, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"^{item.name}: {value!r} is not True or False$"):
        Settings(**{item.name: value})


@pytest.mark.parametrize("item", NAMES, ids=_id)
@pytest.mark.parametrize("value", [{"a"}, "a", ["a"], frozenset({1}), None], ids=repr)
def test_events_are_a_frozenset_of_names(item: Any, value: Any) -> None:
    with pytest.raises(SettingsError, match=rf"^{item.name}: .* is not a frozenset of event names$"):
        Settings(**{item.name: value})


@pytest.mark.parametrize(
    "value", [[Latest("a")], Latest("a"), ("a",), None, {"a": "b"}, (Latest("a", "b"), Latest("a"))], ids=repr
)
def test_rules_are_a_tuple_of_one_for_each_event(value: Any) -> None:
    with pytest.raises(SettingsError, match=r"^latest: .* (is not a tuple of Latest|names an event twice)$"):
        Settings(latest=value)


@pytest.mark.parametrize("parts", [(1,), ("a", 1), ("a", ["b"]), ("a", ("b", None))], ids=repr)
def test_a_rule_is_made_of_names(parts: Any) -> None:
    with pytest.raises(SettingsError, match="not the name of an event, and a name or a tuple of names"):
        Latest(*parts)


def test_a_settings_error_is_a_value_error() -> None:
    assert issubclass(SettingsError, ValueError)


def test_settings_never_change() -> None:
    settings = Settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.gzip = True  # type: ignore[misc]
    changed = settings.replace(gzip=True, batch_window_ms=20)
    assert (changed.gzip, changed.batch_window_ms) == (True, 20)
    assert settings == Settings()
    assert len({settings, Settings(), changed}) == 2


def test_replace_checks_too() -> None:
    with pytest.raises(SettingsError, match="gzip_level: 10 is not within 1 to 9"):
        Settings().replace(gzip_level=10)


def test_replace_names_an_unknown_field_and_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"^gzip_size: no such setting; there are .*gzip_level") as caught:
        Settings().replace(gzip_size=1)
    assert all(item.name in str(caught.value) for item in FIELDS)


def test_the_presets_come_in_the_order_of_the_comparison() -> None:
    assert list(Settings.presets()) == ["off", "stock", "seed", "recommended"]
    assert Settings.presets()["recommended"] == Settings.recommended() == Settings()
    assert len(set(Settings.presets().values())) == 4


def test_off_is_no_layer_at_all() -> None:
    off = Settings.off()
    assert not any(
        getattr(off, layer) for layer in ("abbreviate", "utf8", "deflate", "deflate_shared", "gzip", "batch")
    )


def test_stock_is_what_uvicorn_does_by_itself() -> None:
    stock = Settings.stock()
    assert stock == Settings.off().replace(deflate=True, deflate_window_bits=12, deflate_mem_level=5)
    assert stock.deflate_takeover


def test_seed_is_the_document_taken_literally() -> None:
    seed = Settings.seed()
    assert (seed.abbreviate, seed.utf8) == (True, False)
    assert (seed.deflate, seed.deflate_takeover, seed.deflate_threshold_bytes) == (True, False, 1024)
    assert (seed.gzip, seed.gzip_threshold_bytes, seed.gzip_level, seed.gzip_max_ratio) == (True, 10 * 1024, 6, 0.9)
    assert (seed.batch, seed.batch_window_ms, seed.batch_max_messages) == (True, 50, 10)
    assert seed.log_threshold_bytes == 1024
    assert "message_stream" not in seed.batch_events
