"""Settings: where they come from, who wins, and what a mistake sounds like."""

from __future__ import annotations

from pathlib import Path

import pytest

from palaver.server.config import Config, ConfigError, load


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "palaver.toml"
    path.write_text(text)
    return path


def test_nothing_needs_to_be_set() -> None:
    assert load(None, {}, {}) == Config()


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "[http]\nport = 1\nhost = '10.0.0.1'\n[media]\nport = 7\n")
    config = load(path, {"PALAVER_HTTP_PORT": "2", "PALAVER_MEDIA_PORT": "8"}, {"http": {"port": 3}})
    assert (config.http.port, config.http.host, config.media.port) == (3, "10.0.0.1", 8)


def test_lists_are_separated_by_commas_in_the_environment() -> None:
    config = load(None, {"PALAVER_HTTP_CORS_ORIGINS": "https://a.example, https://b.example"}, {})
    assert config.http.cors_origins == ["https://a.example", "https://b.example"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[http]\n\nprot = 1\n", "palaver.toml:3: unknown setting http.prot; did you mean port?"),
        ("[htpp]\nport = 1\n", "palaver.toml:1: unknown section [htpp]; did you mean http?"),
        ("[http]\nport = 70000\n", "palaver.toml:2: http.port: expected whole number <= 65535"),
        ("[http]\nport = 'many'\n", "palaver.toml:2: http.port: expected whole number, got text"),
        ("http.port = -1\n", "palaver.toml:1: http.port: expected whole number >= 0"),
        ("[http]\nport = 1\nport = 2\n", "palaver.toml:3: cannot overwrite a value"),
        ("[http\n", "palaver.toml:1: expected ']' at the end of a table"),
        ("[http]\nport =", "palaver.toml:2: invalid value"),
        ("http = 3\n", "palaver.toml:1: [http] is a section, not a value"),
        ("[service]\nsuper_id = 'xyz'\n", "palaver.toml:2: service.super_id: expected text matching regex"),
    ],
)
def test_a_mistake_in_the_file_names_file_line_and_setting(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path, text), {}, {})
    assert complaint in str(refused.value)


def test_a_mistake_in_the_environment_names_the_variable() -> None:
    with pytest.raises(
        ConfigError, match=r"environment variable PALAVER_HTTP_PORT: http\.port: expected whole number"
    ):
        load(None, {"PALAVER_HTTP_PORT": "x"}, {})


def test_a_variable_that_is_no_setting_is_warned_about_and_ignored() -> None:
    said: list[str] = []
    config = load(None, {"PALAVER_HTTP_PROT": "1", "PALAVER_HTTP_PORT": "4000"}, {}, said.append)
    assert config.http.port == 4000
    (words,) = said
    assert words.endswith("ignored: PALAVER_HTTP_PROT (did you mean PALAVER_HTTP_PORT?)")


def test_what_kubernetes_puts_beside_a_service_is_not_taken_for_settings() -> None:
    environ = {
        "PALAVER_SERVICE_HOST": "10.96.0.7",
        "PALAVER_SERVICE_PORT": "3000",
        "PALAVER_PORT": "tcp://10.96.0.7:3000",
        "PALAVER_PORT_3000_TCP_ADDR": "10.96.0.7",
        "PALAVER_HTTP_PORT": "tcp://10.96.0.8:3000",  # of a service called palaver-http
    }
    said: list[str] = []
    assert load(None, environ, {}, said.append) == load(None, {}, {})
    assert all(name in said[0] for name in environ)


def test_a_file_that_is_not_there_is_said_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml"):
        load(tmp_path / "missing.toml", {}, {})
