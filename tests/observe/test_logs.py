"""One event, one line, whatever is in it."""

import io
import json
import logging

import pytest

from rilaas.observe import log_event, set_up_logs

LOGGER = logging.getLogger("rilaas.route")


@pytest.fixture
def logged():
    handlers = []

    def start(**options):
        stream = io.StringIO()
        handlers.append(set_up_logs(stream=stream, **options))
        return stream

    yield start
    for handler in handlers:
        logging.getLogger("rilaas").removeHandler(handler)
    logging.getLogger("rilaas").setLevel(logging.NOTSET)


def test_a_program_reads_json_with_the_fields_beside_the_event(logged):
    stream = logged()
    log_event(LOGGER, logging.WARNING, "request refused", robot="lab-2", waited_s=0.25, model=None)
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "rilaas.route",
        "event": "request refused",
        "robot": "lab-2",
        "waited_s": 0.25,
        "model": None,
    }


def test_a_person_reads_text_with_room_event_and_fields(logged):
    stream = logged(as_json=False)
    log_event(LOGGER, logging.INFO, "request refused", robot="lab-2", waited_s=0.123456789, why="no key")
    assert stream.getvalue()[14:] == 'info    route: request refused robot=lab-2 waited_s=0.123457 why="no key"\n'


@pytest.mark.parametrize("as_json", [True, False])
def test_hostile_values_cannot_begin_a_line_or_move_the_cursor(logged, as_json):
    stream = logged(as_json=as_json)
    log_event(LOGGER, logging.INFO, "bad\nname", robot='x\n2026 error: "fake"\x1b[2J', empty="")
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "\x1b" not in text


def test_a_field_cannot_replace_the_event_or_the_level(logged):
    stream = logged()
    LOGGER.info("real", extra={"rilaas_fields": {"logger": "forged", "time": "never", "level": "error"}})
    line = json.loads(stream.getvalue())
    assert (line["logger"], line["level"], line["event"]) == ("rilaas.route", "info", "real")


def test_events_under_the_level_are_not_written(logged):
    stream = logged(level="error")
    log_event(LOGGER, logging.INFO, "hidden")
    assert stream.getvalue() == ""


def test_setting_up_twice_does_not_write_twice(logged):
    first, second = logged(), logged()
    LOGGER.info("once")
    assert (first.getvalue(), len(second.getvalue().splitlines())) == ("", 1)


@pytest.mark.parametrize("as_json", [True, False])
def test_an_exception_goes_with_its_event(logged, as_json):
    stream = logged(as_json=as_json)
    try:
        raise RuntimeError("boom")
    except RuntimeError:
        LOGGER.exception("failed")
    assert "RuntimeError: boom" in stream.getvalue()
