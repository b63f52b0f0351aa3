"""What goes wrong is told in one sentence that names the file, the line or the option, with exit code 2."""

from pathlib import Path

import pytest

from tests.collector.bodies import model
from tests.scripts import recordings
from tests.scripts.conftest import Ran, Verb


@pytest.fixture
def filled(ratecard: Verb, tmp_path: Path) -> Verb:
    names = ("nousresearch/hermes-4-405b", "nousresearch/hermes-4-70b", "openai/gpt-4o")
    line = recordings.line("2026-01-01T00:00:00Z", [model(name) for name in names])
    assert ratecard("replay", recordings.write(tmp_path / "polls.jsonl", [line])).code == 0
    return ratecard


def sentence(ran: Ran) -> str:
    """The one line on standard error of a verb that was used wrongly."""
    assert (ran.code, ran.out) == (2, "")
    (line,) = ran.err.splitlines()
    assert line.startswith("ratecard: ")
    assert "Traceback" not in line
    return line.removeprefix("ratecard: ")


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("hermes-4", " Did you mean nousresearch/hermes-4-405b, nousresearch/hermes-4-70b?"),
        ("openai/gpt4o", " Did you mean openai/gpt-4o?"),
        ("zzz", " `ratecard models TEXT` searches."),
    ],
)
@pytest.mark.parametrize("verb", ["price", "history", "model"])
def test_an_unknown_model_is_answered_with_near_names(filled: Verb, verb: str, asked: str, hint: str) -> None:
    assert sentence(filled(verb, asked)) == f"There is no model {asked}.{hint}"


def test_an_unknown_model_in_changes(filled: Verb) -> None:
    assert sentence(filled("changes", "--model", "openai/gpt4o")).startswith("There is no model openai/gpt4o. Did you")


@pytest.mark.parametrize(
    ("verb", "option"),
    [(("price", "openai/gpt-4o"), "--at"), (("price", "openai/gpt-4o"), "--known-at"),
     (("history", "openai/gpt-4o"), "--from"), (("history", "openai/gpt-4o"), "--to"),
     (("history", "openai/gpt-4o"), "--known-at"), (("changes",), "--from"), (("changes",), "--to"),
     (("models",), "--at"), (("model", "openai/gpt-4o"), "--at"), (("model", "openai/gpt-4o"), "--known-at")],
)  # fmt: skip
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("yesterday", "is no time: 'yesterday'. Write it like 2026-01-06 or 2026-01-06T18:00:00Z."),
        ("2026-13-01", "is no time: '2026-13-01'. Write it like 2026-01-06 or 2026-01-06T18:00:00Z."),
        (
            "2026-01-06T18:00:00",
            "has no time zone: '2026-01-06T18:00:00'. Add Z for UTC, or an offset like +01:00.",
        ),
        ("0001-01-01T00:00:00+14:00", "is too far away: '0001-01-01T00:00:00+14:00'."),
    ],
)
def test_a_time_that_is_none_is_named_with_its_option(
    filled: Verb, verb: tuple[str, ...], option: str, text: str, reason: str
) -> None:
    assert sentence(filled(*verb, option, text)) == f"{option} {reason}"


@pytest.mark.parametrize(
    "arguments",
    [
        ("price",),
        ("price", "openai/gpt-4o", "--format", "xml"),
        ("price", "openai/gpt-4o", "--colour"),
        ("unheard-of",),
    ],
)
def test_wrong_use_is_2_and_says_nothing_on_standard_output(filled: Verb, arguments: tuple[str, ...]) -> None:
    ran = filled(*arguments)

    assert (ran.code, ran.out) == (2, "")
    assert "Usage: ratecard" in ran.err


@pytest.mark.parametrize(
    "verb", [("price", "a/b"), ("history", "a/b"), ("changes",), ("models",), ("model", "a/b"), ("status",), ("alias",)]
)
def test_a_missing_database_is_told_about_and_not_made(
    ratecard: Verb, isolated_environment: Path, verb: tuple[str, ...]
) -> None:
    assert sentence(ratecard(*verb)) == (
        f"There is no database at {isolated_environment}/ratecard.db yet. `ratecard run` or `ratecard init` makes one."
    )
    assert not isolated_environment.exists()


def test_an_empty_database_holds_no_model(ratecard: Verb) -> None:
    ratecard("init")

    assert sentence(ratecard("price", "a/b")) == (
        "There is no model a/b: the database holds no prices yet. `ratecard poll` gets them."
    )
    assert ratecard("models").err == "The catalogue is empty. `ratecard poll` fills it.\n"
    assert ratecard("changes").err == "No price changed in that time.\n"


@pytest.mark.parametrize("verb", [("models",), ("init",), ("poll", "genai_prices")])
def test_a_wrong_database_url_is_told_about(
    ratecard: Verb, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...]
) -> None:
    monkeypatch.setenv("RATECARD_DATABASE_URL", "mysql://anna:secret-word@host/prices")

    said = sentence(ratecard(*verb))

    assert said.startswith("RATECARD_DATABASE_URL is not a database URL that Ratecard can open.")
    assert "secret-word" not in said


def test_a_database_server_that_is_not_there(ratecard: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATECARD_DATABASE_URL", "postgresql+psycopg://anna:secret-word@127.0.0.1:1/prices")

    said = sentence(ratecard("models"))

    assert said.startswith("The database postgresql+psycopg://anna:***@127.0.0.1:1/prices refused: ")


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        (b'home = "there"\nsources = [', "ratecard.toml is not TOML: Invalid value (at end of document)."),
        (b"a = 1\nb = 2\nc = = 3\n", "ratecard.toml is not TOML: Invalid value (at line 3, column 5)."),
        (b'home = "\xff"\n', "ratecard.toml is not TOML: 'utf-8' codec can't decode byte 0xff in position 8"),
        (
            b'sources = "openrouter"\n',
            "The setting sources (RATECARD_SOURCES or ratecard.toml) is wrong: input should be a valid list.",
        ),
        (
            b"at_once = 99\n",
            "The setting at_once (RATECARD_AT_ONCE or ratecard.toml) is wrong: input should be less than or equal to",
        ),
        (
            b'sources = ["openrouter", "litellm"]\n',
            "The setting sources names 'litellm', which is none of: openrouter, models_dev, genai_prices.",
        ),
    ],
)
def test_a_bad_ratecard_toml_is_named(ratecard: Verb, toml: bytes, reason: str) -> None:
    Path("ratecard.toml").write_bytes(toml)

    assert sentence(ratecard("status")).startswith(reason)


def test_a_good_ratecard_toml_is_used(ratecard: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RATECARD_HOME")
    Path("ratecard.toml").write_text(f'home = "{tmp_path / "elsewhere"}"\n', encoding="utf-8")

    assert ratecard("init").code == 0
    assert (tmp_path / "elsewhere" / "ratecard.db").exists()


def test_a_settings_file_that_is_named_and_missing(ratecard: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATECARD_CONFIG", "none.toml")

    assert sentence(ratecard("init")) == "There is no file none.toml, which RATECARD_CONFIG names."


def test_a_setting_that_is_no_json(ratecard: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATECARD_SOURCES", "openrouter")

    assert sentence(ratecard("status")) == (
        'The setting RATECARD_SOURCES is no JSON; a list is written ["one", "two"].'
    )


def test_a_home_that_cannot_be_made(ratecard: Verb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("RATECARD_HOME", f"{tmp_path}/a-file/home")

    assert sentence(ratecard("init")).endswith("cannot be made: Not a directory. Set RATECARD_HOME.")


@pytest.mark.parametrize("verb", [("poll", "litellm"), ("replay", "--source", "litellm", "polls.jsonl")])
def test_an_unknown_source(ratecard: Verb, verb: tuple[str, ...]) -> None:
    assert sentence(ratecard(*verb)) == (
        "There is no source named 'litellm'. Name one of: openrouter, models_dev, genai_prices."
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "Name the files to replay, or a repository with --git and --path."),
        (("none.jsonl",), "There is no file none.jsonl."),
        (("--git", "."), "--git needs --source, and with --path the scraped file in the repository."),
        (("--git", ".", "polls.jsonl"), "Name the files to replay, or a repository with --git and --path."),
        (("--source", "openrouter", "."), ". is a folder. Name its files, for example ./*.jsonl.xz."),
    ],
)
def test_a_replay_of_nothing(ratecard: Verb, arguments: tuple[str, ...], reason: str) -> None:
    assert sentence(ratecard("replay", *arguments)) == reason


@pytest.mark.parametrize("arguments", [("a/b",), ("a/b", "c/d", "--remove")])
def test_an_alias_needs_a_model_or_its_removal(ratecard: Verb, arguments: tuple[str, ...]) -> None:
    assert sentence(ratecard("alias", *arguments)) == ("Give a name and the model that it is, or a name and --remove.")


def test_a_key_is_never_repeated(ratecard: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-secret with a space")

    said = sentence(ratecard("poll", "openrouter"))

    assert said == "The key in OPENROUTER_API_KEY holds a space or an unprintable character. Was it pasted whole?"


def test_what_nobody_foresaw_is_told_as_a_bug(ratecard: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("one by none")

    monkeypatch.setattr("db.settings.load", broken)

    ran = ratecard("models")
    assert ran.code == 70
    assert ran.err == "ratecard: This is a bug: ZeroDivisionError: one by none. RATECARD_DEBUG=1 shows where.\n"
