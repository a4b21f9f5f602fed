from io import StringIO

from rich.console import Console

from dropmix.grid import view
from dropmix.grid.local import Progress


def runs(**states) -> dict[str, Progress]:
    return {name: Progress(name, *state) for name, state in states.items()}


def test_the_headline_counts():
    found = runs(a=("done",), b=("running", 1, 2), c=("failed",), d=("waiting",))
    assert view.headline(found, "5 s left") == "1 of 4 runs done, 1 failed, 1 running, 5 s left"
    assert (
        view.headline(runs(a=("waiting",)), "time left unknown") == "0 of 1 runs done, workers start, time left unknown"
    )
    assert view.headline(runs(a=("done",), b=("failed",)), "x") == "1 of 2 runs done, 1 failed"
    assert view.headline(runs(a=("done",)), "x") == "1 of 1 runs done"


def test_time_left_follows_the_steps_of_the_last_minutes(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(view.time, "monotonic", lambda: clock[0])
    eta = view.Eta(window=100)
    assert eta(runs(a=("running", 0, 100))) == "time left unknown"
    clock[0] = 10.0
    assert eta(runs(a=("running", 10, 100))) == "2 min left"
    clock[0] = 105.0  # the first look is forgotten: 10 steps in 95 s since the second
    assert eta(runs(a=("running", 20, 100))) == "13 min left"


def test_time_left_does_not_count_the_start_of_the_workers(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(view.time, "monotonic", lambda: clock[0])
    eta = view.Eta()
    for clock[0] in (0.0, 30.0, 60.0):  # torch and the images load
        assert eta(runs(old=("done",), new=("running", 0, 100))) == "time left unknown"
    clock[0] = 70.0
    assert eta(runs(old=("done",), new=("running", 20, 100))) == "40 s left"
    clock[0] = 80.0
    assert eta(runs(old=("done",), new=("running", 40, 100))) == "30 s left"


def test_plain_lines_say_each_end_once_and_nothing_of_what_was_done_before():
    said: list[str] = []
    plain = view.PlainView(said.append, seconds=1e9)
    found = runs(old=("done",), new=("running", 1, 10))
    plain(found)
    found["new"] = Progress("new", "failed", 5, 10, None, "no luck")
    plain(found)
    plain(found)
    assert said == ["new: failed: no luck"]


def test_the_live_table_shows_progress_and_accuracy():
    text = StringIO()
    with view.LiveView(Console(file=text, force_terminal=True, width=100)) as live:
        live(runs(**{"mixup-s0": ("running", 5, 10, 0.5), "later": ("waiting",)}))
    shown = text.getvalue()
    assert "0 of 2 runs done, 1 running" in shown
    assert "mixup-s0" in shown
    assert "50 %" in shown
    assert "50.0 %" in shown
    assert "later" not in shown
