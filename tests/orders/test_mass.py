"""Mass orders: what a line says, what is wrong with it, and that one bad line never hides another."""

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smmpanel.orders.mass import (
    CSV_COLUMNS,
    MASS_BYTES_MAX,
    MASS_LINES_MAX,
    MassError,
    MassFault,
    MassLine,
    MassTooLargeError,
    MassUnreadableError,
    read_csv,
    read_text,
)

LINK = "https://instagram.com/name"


def faults(found):
    return [(each.number, each.code) for each in found if isinstance(each, MassError)]


def test_text_lines_are_read_with_any_spacing_and_line_ending():
    text = f"1|{LINK}|100\r\n\n  2 |  {LINK}#fault=drop |200 \r3 | {LINK}\n4|{LINK}|50||\n"

    assert read_text(text) == [
        MassLine(1, 1, {"link": LINK, "quantity": "100"}),
        MassLine(3, 2, {"link": f"{LINK}#fault=drop", "quantity": "200"}),
        MassLine(4, 3, {"link": LINK}),
        MassLine(5, 4, {"link": LINK, "quantity": "50"}),
    ]


def test_each_bad_text_line_has_its_own_finding_and_the_others_stand():
    text = "\n".join(
        [
            "hello",
            f"abc | {LINK} | 1",
            f" | {LINK} | 1",
            f"-5 | {LINK} | 1",
            f"1 | {LINK} | 1 | nice | post",
            f"9 | {LINK} | -1000000",
            f"0 | {LINK} | 1",
            f"{'9' * 30} | {LINK} | 1",
        ]
    )
    found = read_text(text)

    assert faults(found) == [
        (1, MassFault.LINE_INCOMPLETE),
        (2, MassFault.SERVICE_INVALID),
        (3, MassFault.SERVICE_MISSING),
        (4, MassFault.SERVICE_INVALID),
        (5, MassFault.TOO_MANY_PARTS),
        (7, MassFault.SERVICE_INVALID),
        (8, MassFault.SERVICE_INVALID),
    ]
    # The quantity is judged with its service, by the same rules as everywhere.
    assert found[5] == MassLine(6, 9, {"link": LINK, "quantity": "-1000000"})


def test_the_number_of_lines_is_limited_and_blank_ones_are_free():
    line = f"1|{LINK}|1\n\n"
    assert len(read_text(line * MASS_LINES_MAX)) == MASS_LINES_MAX
    with pytest.raises(MassTooLargeError) as failure:
        read_text(line * MASS_LINES_MAX + line)
    assert str(failure.value) == "A mass order may have at most 10000 lines."
    assert len(read_csv("service,link\n" + f"1,{LINK}\n" * MASS_LINES_MAX)) == MASS_LINES_MAX
    with pytest.raises(MassTooLargeError):
        read_csv(f"1,{LINK}\n" * (MASS_LINES_MAX + 1))


@pytest.mark.parametrize("whole", ["x" * (MASS_BYTES_MAX + 1), "é" * (MASS_BYTES_MAX // 2 + 1)])
def test_the_size_is_limited_in_bytes(whole):
    for read in (read_text, read_csv):
        with pytest.raises(MassTooLargeError) as failure:
            read(whole)
        assert str(failure.value) == f"A mass order may have at most {MASS_BYTES_MAX} bytes."


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv_of_any_spreadsheet_is_read(delimiter, encoding):
    rows = [["Service ID", "Target", "Qty", "My note"], ["7", LINK, "100", "größe"], [], ["8", LINK, "", "a, b; c"]]
    sheet = StringIO()
    csv.writer(sheet, delimiter=delimiter).writerows(rows)

    assert read_csv(sheet.getvalue().encode(encoding)) == [
        MassLine(2, 7, {"link": LINK, "quantity": "100"}),
        MassLine(4, 8, {"link": LINK}),
    ]


def test_csv_without_a_header_has_the_usual_columns():
    assert read_csv(f'5,{LINK},10,"nice | one\nwell, done",3,60\n') == [
        MassLine(
            1,
            5,
            {"link": LINK, "quantity": "10", "comments": "nice | one\nwell, done", "runs": "3", "interval": "60"},
        )
    ]


def test_lines_after_a_cell_of_several_lines_keep_their_numbers():
    found = read_csv(f'service,link,comments\n1,{LINK},"a\nb\nc"\nx,{LINK},d\n')

    assert found[0] == MassLine(2, 1, {"link": LINK, "comments": "a\nb\nc"})
    assert faults(found) == [(5, MassFault.SERVICE_INVALID)]


def test_a_quote_that_never_closes_is_reported_where_it_opens():
    found = read_csv(f'service,link,comments\n1,{LINK},ok\n2,{LINK},"open\n3,{LINK},x\n')

    assert found[0] == MassLine(2, 1, {"link": LINK, "comments": "ok"})
    assert faults(found) == [(3, MassFault.CSV_BROKEN)]
    assert len(found) == 2


def test_reading_goes_on_after_a_broken_row():
    found = read_csv(f'service,link\n1,"{LINK}"x\n2,{LINK}\n3,{LINK},too,many\n')

    assert faults(found) == [(2, MassFault.CSV_BROKEN), (4, MassFault.TOO_MANY_PARTS)]
    assert found[1] == MassLine(3, 2, {"link": LINK})


@pytest.mark.parametrize("data", [b"service,link\n1,\xff\xfe\xe9\n", b"\xff\xfea", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_not_text_is_refused(data):
    with pytest.raises(MassUnreadableError) as failure:
        read_csv(data)
    assert "UTF-8" in str(failure.value)


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(MassUnreadableError) as failure:
        read_csv("service,link,URL\n1,a,b\n")
    assert failure.value.fields["reason"] == "two columns are called link"


def test_nothing_gives_nothing():
    assert read_text(" \n\r\n | | \n") == []
    assert read_csv(b"") == []
    assert read_csv("service,link,quantity\n") == []


@given(st.text() | st.text(alphabet='1|,;\t"\n\r ax'))
def test_any_text_gives_findings_and_never_an_error(text):
    for found in (read_text(text), read_csv(text)):
        numbers = [each.number for each in found]
        assert numbers == sorted(set(numbers))
        assert {type(each) for each in found} <= {MassLine, MassError}


@given(st.binary(max_size=200))
def test_any_bytes_give_findings_or_say_why_the_file_is_unreadable(data):
    try:
        found = read_csv(data)
    except MassUnreadableError as error:
        found = [error]
    assert {type(each) for each in found} <= {MassLine, MassError, MassUnreadableError}


CELLS = st.text(alphabet='abc,;|"\n\r é', max_size=8)


@given(st.lists(st.tuples(st.integers(1, 2**53), CELLS, CELLS, CELLS), min_size=1), st.sampled_from(",;\t"))
def test_what_a_spreadsheet_writes_is_what_is_read(rows, delimiter):
    sheet = StringIO()
    writer = csv.writer(sheet, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([CSV_COLUMNS[:4], *rows])

    found = read_csv(sheet.getvalue())

    names = CSV_COLUMNS[1:4]
    written = [(row[0], {n: c.strip() for n, c in zip(names, row[1:], strict=True) if c.strip()}) for row in rows]
    assert [(each.service_id, each.fields) for each in found] == written
