"""How the dashboard is started."""

from streamlit import config

from dashboard import launch, theme


def test_the_command_names_address_and_port_and_no_secret() -> None:
    command = launch.command(8600)

    assert command[1:4] == ["-m", "streamlit", "run"]
    assert "--server.address=127.0.0.1" in command
    assert "--server.port=8600" in command
    assert launch.APP.is_file()


def test_every_setting_is_one_that_streamlit_knows() -> None:
    known = {option.env_var for option in config._config_options_template.values()}

    environment = launch.environment()

    assert set(environment) <= known
    assert environment["STREAMLIT_BROWSER_GATHER_USAGE_STATS"] == "false"
    assert environment["STREAMLIT_SERVER_FILE_WATCHER_TYPE"] == "none"
    assert environment["STREAMLIT_CLIENT_SHOW_ERROR_DETAILS"] == "none"


def test_both_themes_are_told() -> None:
    environment = launch.environment()

    assert environment["STREAMLIT_THEME_LIGHT_BACKGROUND_COLOR"] == theme.LIGHT.background
    assert environment["STREAMLIT_THEME_DARK_BACKGROUND_COLOR"] == theme.DARK.background


def _luminance(colour: str) -> float:
    """As WCAG 2 defines relative luminance."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_and_lines_can_be_read_in_both_themes() -> None:
    for palette in (theme.LIGHT, theme.DARK):
        read = (palette.ink, palette.mute, palette.accent, palette.warn, palette.good, *palette.series)
        assert {colour for colour in read if _contrast(colour, palette.background) < 4.5} == set()
        assert _contrast("#FFFFFF", palette.control) >= 4.5
        assert len(palette.series) == 4


def test_the_viewer_s_theme_chooses_the_palette() -> None:
    assert theme.palette("dark") is theme.DARK
    assert theme.palette("light") is theme.palette(None) is theme.LIGHT
    assert "--rc-ink:" in theme.stylesheet(theme.DARK)
