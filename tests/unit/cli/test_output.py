"""Output on terminals, in pipes and as JSON, also with hostile names."""

from __future__ import annotations

import io
import json
import re
from decimal import Decimal

import pytest

from labelctl.cli.output import View
from labelctl.cli.tables import PAGE, Cell, Column, Table
from labelctl.errors import Command, PhotosFailedError, RefusedError, UsageError
from labelctl.text import printable
from tests.unit.streams import Pipe, Terminal


def ascii_stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\n")


def written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode("ascii")


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    """A terminal of 80 columns without colours."""
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "COLORTERM", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    return monkeypatch


def unstyled(stream):
    return re.sub(r"\x1b\[[012]m", "", stream.getvalue())


def shown(stream, value=None, *tables, output=None):
    """What `show` writes, without trailing spaces and without bold and dim."""
    View(output, stdout=stream, stderr=Pipe()).show(value, *tables)
    text = unstyled(stream)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


LABELS = Table(
    columns=(Column("Label", style="bold"), Column("Confidence", right=True), Column("Parents")),
    rows=[
        ("Dog", Cell("98.3 %", "green"), "Animal, Pet"),
        ("Beach Ball", Cell("9.0 %", "dim"), ""),
    ],
    title="dog.jpg",
)
THREE = (Column("State"), Column("Photo"), Column("Detail"))
VALUE = {"image": "dog é.jpg", "labels": [{"name": "Dog", "confidence": Decimal("98.25")}]}


def test_a_table_on_a_terminal():
    assert shown(Terminal(), VALUE, LABELS) == (
        "dog.jpg\n"
        "\n"
        " Label        Confidence   Parents\n"
        " ─────────────────────────────────────\n"
        " Dog              98.3 %   Animal, Pet\n"
        " Beach Ball        9.0 %\n"
        "\n"
    )


def test_plain_lines_in_a_pipe():
    assert shown(Pipe(), VALUE, LABELS) == "Dog\t98.3 %\tAnimal, Pet\nBeach Ball\t9.0 %\n"


def test_json():
    assert shown(Pipe(), VALUE, LABELS, output="json") == (
        "{\n"
        '  "image": "dog é.jpg",\n'
        '  "labels": [\n'
        "    {\n"
        '      "name": "Dog",\n'
        '      "confidence": 98.25\n'
        "    }\n"
        "  ]\n"
        "}\n"
    )


def test_the_output_option_overrides_the_default():
    assert shown(Terminal(), VALUE, LABELS, output="plain").startswith("Dog\t98.3 %\t")
    assert "─" in shown(Pipe(), VALUE, LABELS, output="table")


def test_decimals_become_json_numbers():
    text = shown(Pipe(), [Decimal(3), Decimal("0.5"), 1.5], output="json")
    assert json.loads(text) == [3, 0.5, 1.5]
    assert "3.0" not in text


def test_a_value_that_json_cannot_hold_is_a_bug():
    with pytest.raises(TypeError, match="set is not JSON"):
        shown(Pipe(), {1}, output="json")


def test_the_message_of_an_empty_table_goes_to_stderr():
    for output in ("table", "plain"):
        out, err = Pipe(), Pipe()
        View(output, stdout=out, stderr=err).show(None, Table((Column("A"),), [], "Nothing."))
        assert (out.getvalue(), err.getvalue()) == ("", "Nothing.\n")


def test_a_stream_prints_one_line_per_value():
    def streamed(stream, output=None):
        view = View(output, stdout=stream, stderr=Pipe())
        view.stream({"image": "a\n[b].jpg"}, THREE, [Cell("labelled", "green"), "a\n[b].jpg", ""])
        return stream.getvalue()

    assert streamed(Pipe()) == "labelled\ta\\n[b].jpg\t\n"
    assert streamed(Pipe(), "json") == '{"image": "a\\n[b].jpg"}\n'
    assert streamed(Terminal()).strip() == "labelled  a\\n[b].jpg"


@pytest.mark.parametrize("rows", [1, PAGE, 3 * PAGE - 1])
def test_a_long_table_is_drawn_a_page_at_a_time(rows):
    """The first page before the last row is known, and all pages as one table."""
    out = Terminal()
    view = View(stdout=out, stderr=Pipe())
    with view.long_table((Column("Photo"), Column("Size", right=True))) as show:
        for number in range(rows):
            show(None, [f"{number}.jpg", "9"])
            shown = number + 1 - (number + 1) % PAGE
            assert out.getvalue().count(".jpg") == shown
    empty, header, _, *lines, end = unstyled(out).splitlines()
    assert (empty.strip(), header.split(), end.strip()) == ("", ["Photo", "Size"], "")
    assert [line.split() for line in lines] == [[f"{number}.jpg", "9"] for number in range(rows)]
    for page in range(0, rows, PAGE):  # a column only grows, for a longer name
        assert len({len(line.rstrip()) for line in lines[page : page + PAGE]}) == 1
    assert len(lines[-1].rstrip()) >= len(lines[0].rstrip()) >= len("10.jpg  Size")


def test_a_long_table_that_fits_on_a_page_looks_as_any_table():
    columns, rows = (Column("Photo"), Column("Size", right=True)), [["a.jpg", "9"], ["b.jpg", "10"]]
    out = Terminal()
    with View(stdout=out, stderr=Pipe()).long_table(columns) as show:
        for row in rows:
            show(None, row)
    whole = Terminal()
    View(stdout=whole, stderr=Pipe()).show(None, Table(columns, rows))
    assert out.getvalue() == whole.getvalue()


def test_a_stream_is_not_buffered():
    class Slow(Pipe):
        flushed = 0

        def flush(self):
            self.flushed += 1

    out = Slow()
    View(stdout=out, stderr=Pipe()).stream({}, THREE[:1], ["a"])
    assert out.flushed


def test_a_long_line_of_a_stream_is_wrapped_between_words():
    out = Terminal()
    View(stdout=out, stderr=Pipe()).stream({}, THREE[:2], ["word " * 60, "x" * 300])
    lines = out.getvalue().splitlines()
    assert {word for line in lines for word in line.split() if "x" not in word} == {"word"}
    assert out.getvalue().count("x") == 300
    assert max(map(len, lines)) <= 80


# ---- names are data

HOSTILE = {
    "[bold]red[/bold].jpg": "[bold]red[/bold].jpg",
    "[/].jpg": "[/].jpg",
    ":smile:.jpg": ":smile:.jpg",
    "https://x.y/a.jpg": "https://x.y/a.jpg",
    "\x1b[31mred\x1b[0m.jpg": "\\x1b[31mred\\x1b[0m.jpg",
    "\x9b31m.jpg": "\\x9b31m.jpg",
    "bell\x07.jpg": "bell\\x07.jpg",
    "two\nlines\r.jpg": "two\\nlines\\r.jpg",
    "a\tb.jpg": "a\\tb.jpg",
    "gpj.\u202eexe": "gpj.\\u202eexe",
    "\u2066a\u2069.jpg": "\\u2066a\\u2069.jpg",
    "line\u2028.jpg": "line\\u2028.jpg",
    "\udcff.jpg": "\\udcff.jpg",
    "\x00\x7f.jpg": "\\x00\\x7f.jpg",
    "é 💚 日本.jpg": "é 💚 日本.jpg",
    "family 👨‍👩‍👧.jpg": "family 👨‍👩‍👧.jpg",
    "back\\slash.jpg": "back\\slash.jpg",
}


@pytest.mark.parametrize(("name", "escaped"), HOSTILE.items())
def test_a_hostile_name_is_escaped(name, escaped):
    assert printable(name) == escaped
    table = Table((Column("Photo"),), [(name,)])
    assert shown(Pipe(), None, table) == escaped + "\n"
    assert escaped in shown(Terminal(), None, table)
    for stream in (Pipe(), Terminal()):
        view = View(stdout=Pipe(), stderr=stream)
        view.note(f"Sent {name}")
        view.step(THREE[:2], Cell("uploaded", "green"), name)
        view.error(RefusedError(f'The photo "{name}" is damaged.', "Fix it."))
        assert unstyled(stream).count(escaped) == 3
        assert not {"\x1b[31m", "\x07", "\t", "\u202e", "\r"} & set(stream.getvalue())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_unchanged_in_json(name):
    text = shown(Pipe(), {"image": name}, output="json")
    assert json.loads(text) == {"image": name}
    text.encode()
    assert len(text.splitlines()) == 3  # splitlines also splits at U+2028 and others
    assert not {"\x9b", "\u202e", "\x7f"} & set(text)


def test_a_line_break_in_a_name_cannot_forge_a_line_of_an_error():
    for stream in (Pipe(), Terminal()):
        error = RefusedError('No photo "a\nError: all is lost\x0b!".', "One.\nTwo.")
        View(stdout=Pipe(), stderr=stream).error(error)
        assert unstyled(stream) == 'Error: No photo "a\\nError: all is lost\\x0b!".\nOne.\nTwo.\n'


@pytest.mark.parametrize("columns", [40, 80, 160])
def test_names_are_never_cut(terminal, columns):
    terminal.setenv("COLUMNS", str(columns))
    name = "-".join(f"{number:04}" for number in range(60)) + ".jpg"
    table = Table((Column("Photo"), Column("Trouble")), [(name, "word " * 30)])
    lines = shown(Terminal(), None, table).splitlines()
    assert max(map(len, lines)) <= columns
    assert "…" not in "".join(lines)
    left = lines[3].index("word")
    assert "".join(line[:left].strip() for line in lines[3:]) == name


@pytest.mark.parametrize(
    "columns", ["0", "1", "5", "-3", "x", "", "\N{SUPERSCRIPT TWO}", "9" * 400]
)
def test_an_impossible_width_hides_nothing(terminal, columns):
    terminal.setenv("COLUMNS", columns)
    terminal.setenv("LINES", columns)
    text = shown(Terminal(), None, LABELS)
    assert all(part in text for part in ("Dog", "Beac", "98.", "Anima", "Pet"))


def test_five_columns_fit_a_narrow_terminal_and_spread_on_a_wide_one(terminal):
    titles = ("Label", "Confidence", "Categories", "Parents", "Boxes")
    row = (
        "Golden Retriever",
        "98.3 %",
        "Animals and Pets",
        "Animal, Canine, Dog, Mammal, Pet",
        "1",
    )
    table = Table([Column(title) for title in titles], [row])
    assert shown(Terminal(), None, table) == (
        "\n"
        " Label              Confidence   Categories         Parents               Boxes\n"
        " ──────────────────────────────────────────────────────────────────────────────\n"
        " Golden Retriever   98.3 %       Animals and Pets   Animal, Canine,       1\n"
        "                                                    Dog, Mammal, Pet\n"
        "\n"
    )
    terminal.setenv("COLUMNS", "160")
    assert shown(Terminal(), None, table).splitlines()[3] == (
        " Golden Retriever   98.3 %       Animals and Pets   Animal, Canine, Dog, Mammal, Pet   1"
    )


def test_colours_appear_only_on_terminals_that_want_them(terminal):
    terminal.delenv("NO_COLOR")
    out = Terminal()
    View(stdout=out, stderr=Pipe()).show(None, LABELS)
    assert "\x1b[32m    98.3 %" in out.getvalue()
    terminal.setenv("NO_COLOR", "1")
    out = Terminal()
    View(stdout=out, stderr=Pipe()).show(None, LABELS)
    assert "\x1b[32m" not in out.getvalue()
    out = Pipe()
    View("table", stdout=out, stderr=Pipe()).show(None, LABELS)
    assert "\x1b" not in out.getvalue()


# ---- where the output is ASCII


def test_ascii_output_escapes_names():
    out = ascii_stream()
    View("plain", stdout=out, stderr=Pipe()).show(None, Table((Column("A"),), [("é 💚.jpg",)]))
    assert written(out) == "\\xe9 \\U0001f49a.jpg\n"


def test_ascii_output_of_tables():
    out = ascii_stream()
    View("table", stdout=out, stderr=Pipe()).show(None, Table((Column("A"),), [("é.jpg",)]))
    assert "\\xe9.jpg" in written(out)


def test_ascii_output_of_json():
    out = ascii_stream()
    View("json", stdout=out, stderr=Pipe()).show({"image": "é.jpg"})
    assert json.loads(written(out)) == {"image": "é.jpg"}


def test_ascii_output_of_streams():
    out = ascii_stream()
    View("plain", stdout=out, stderr=Pipe()).stream({}, THREE[:1], ["é"])
    assert written(out) == "\\xe9\n"


# ---- messages on stderr


def test_an_error_with_a_hint():
    err = Pipe()
    View("plain", stdout=Pipe(), stderr=err).error(UsageError("It is wrong.", "Do it right."))
    assert err.getvalue() == "Error: It is wrong.\nDo it right.\n"


def test_an_error_without_a_hint():
    err = Pipe()
    View("plain", stdout=Pipe(), stderr=err, quiet=True).error(UsageError("It is wrong."))
    assert err.getvalue() == "Error: It is wrong.\n"


def test_an_error_in_json_is_an_object_on_stderr():
    out, err = Pipe(), Pipe()
    View("json", stdout=out, stderr=err).error(PhotosFailedError("3 é failed.", "Look."))
    assert out.getvalue() == ""
    assert err.getvalue().endswith("}\n")
    assert err.getvalue().count("\n") == 1
    assert json.loads(err.getvalue()) == {
        "error": {
            "kind": "photos_failed",
            "message": "3 é failed.",
            "hint": "Look.",
            "exit_code": 5,
        }
    }


def test_quiet_hides_all_but_results_and_warnings():
    out, err = Pipe(), Pipe()
    view = View("plain", stdout=out, stderr=err, quiet=True)
    view.note("note")
    view.step(THREE[:1], "step")
    with view.meter("meter") as meter:
        meter.update(1, total=2, detail="x")
    view.show(None, Table((Column("A"),), [("a",)]))
    view.warn("warning")
    assert (out.getvalue(), err.getvalue()) == ("a\n", "warning\n")


def test_a_question_without_a_terminal_is_an_error(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    with pytest.raises(UsageError) as caught:
        View(stdout=Pipe(), stderr=Terminal()).ask("Continue?", "Add --yes.")
    assert caught.value.hint == "Add --yes."


def test_a_question_goes_to_stderr(monkeypatch):
    class Keyboard(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Keyboard(" yes \n"))
    out, err = Pipe(), Terminal()
    assert View(stdout=out, stderr=err).ask("Continue\x1b?") == "yes"
    assert (out.getvalue(), err.getvalue()) == ("", "Continue\\x1b? ")


@pytest.mark.parametrize("err", [Pipe(), Terminal()], ids=["pipe", "terminal"])
def test_a_line_break_in_a_name_cannot_forge_a_message(err):
    view = View("plain", stdout=Pipe(), stderr=err)
    view.note('No picture of "a\nError: All is lost.jpg".')
    view.warn("It is b\nError: gone.jpg", "Next: labelctl retry\nor leave it.")
    lines = err.getvalue().splitlines()
    assert not [line for line in lines if line.startswith("Error")]
    assert any("a\\nError: All is lost.jpg" in line for line in lines)
    assert any("or leave it." in line for line in lines)


def test_lines_are_wrapped_except_those_with_a_command():
    words = "word " * 20
    command = Command("search", *["dog"] * 30)
    err = Terminal()
    View(stdout=Pipe(), stderr=err).warn(words, f"{words}\nRun: ", command, f".\n{words}")
    lines = unstyled(err).splitlines()
    assert lines[lines.index("Run:") + 1] == f"  {command}"
    others = [line for line in lines if line.startswith("word")]
    assert len(others) == 2 * 3
    assert max(map(len, others)) <= 80


def test_a_note_with_a_command_is_one_line():
    err = Terminal()
    View(stdout=Pipe(), stderr=err, flags=lambda _: " --local").note(
        "Next: ", Command("labels", "a\nb.jpg")
    )
    assert unstyled(err) == "Next: labelctl labels 'a\\nb.jpg' --local\n"


def test_a_notice_with_commands_in_its_text_is_not_wrapped():
    notice = "Photos are kept. " * 8 + "Deploy it again: labelctl deploy --local"
    err = Terminal()
    View(stdout=Pipe(), stderr=err).warn(notice, wrap=False)
    assert unstyled(err) == f"{notice}\n"
