"""A list of accounts is read strictly, and all that is wrong in it is told at once."""

from pathlib import Path

import pytest

from workshop_utils.accounts.listed import Account, AccountsError, named, read

ONE, TWO = "111122223333", "000000000042"


def written(folder: Path, text: str) -> Path:
    path = folder / "accounts.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        f"{ONE},Ann\n{TWO},Bob\n",
        f"# the course of May\n\n {ONE} , Ann  # front row\n{TWO},Bob",
        f"\ufeffAccount ID,Name\r\n{ONE},Ann\r\n{TWO},Bob\r\n",
        f'name,e-mail,account_id\nAnn,a@example.com,"{ONE}"\nBob,b@example.com,{TWO}\n',
        "1111-2222-3333,Ann\n'000000000042,Bob\n",
    ],
    ids=["plain", "comments", "spreadsheet", "export", "as the console shows them"],
)
def test_lists_as_people_have_them(tmp_path: Path, text: str) -> None:
    assert read(written(tmp_path, text)) == [Account(ONE, "Ann"), Account(TWO, "Bob")]


def test_a_list_without_names(tmp_path: Path) -> None:
    assert read(written(tmp_path, f"{ONE}\n{TWO}\n")) == [Account(ONE), Account(TWO)]


def test_every_wrong_line_is_told_at_once(tmp_path: Path) -> None:
    text = f"{ONE},Ann\n42,Bob\nthe third,Cy\n{ONE},again\n1234567890123\n¹¹¹¹²²²²³³³³\n"
    with pytest.raises(AccountsError) as caught:
        read(written(tmp_path, text))
    said = str(caught.value)
    assert "line 2: 42 has 2 digits, an account has 12; a spreadsheet may have dropped" in said
    assert "line 3: 'the third' is no account number" in said
    assert f"line 4: {ONE} is there already, as line 1" in said
    assert "line 5: 1234567890123 has 13 digits, an account has 12\n" in said
    assert "line 6: '¹¹¹¹²²²²³³³³' is no account number" in said
    assert "accounts.csv" in said


@pytest.mark.parametrize("text", ["", "# nobody yet\n", "account,name\n"])
def test_an_empty_list_is_no_list(tmp_path: Path, text: str) -> None:
    with pytest.raises(AccountsError, match="names no account"):
        read(written(tmp_path, text))


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(AccountsError, match=r"nobody\.csv cannot be read"):
        read(tmp_path / "nobody.csv")
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff")
    with pytest.raises(AccountsError, match="cannot be read"):
        read(tmp_path / "picture.csv")


def test_numbers_of_the_command_line() -> None:
    assert named([ONE, "0000-0000-0042"]) == [Account(ONE), Account(TWO)]
    with pytest.raises(AccountsError, match="number 2: 111122223333 is there already"):
        named([ONE, ONE])
