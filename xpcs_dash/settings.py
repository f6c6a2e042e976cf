"""The one settings object: TOML file < environment ``XPCS_DASH_*`` < command line."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_origin

from platformdirs import user_state_path
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, TomlConfigSettingsSource

from xpcs_dash.errors import UsageError, not_found
from xpcs_dash.logs import LogFormat

#: Marks a setting that changes numbers: whatever is made with it names it where it says how it was made.
NUMBERS: dict[str, Any] = {"affects_numbers": True}

#: Name of the root below which lies what was made here: averages, and what was correlated.
MADE = "made"


def default_state_dir(root: Path | None) -> Path:
    """Where a dashboard keeps its state: a directory for each watched one, so that two never share."""
    base = user_state_path("xpcs-dash")
    if root is None:
        return base
    digest = hashlib.blake2b(os.fsencode(root), digest_size=4).hexdigest()
    return base / "roots" / f"{root.name or 'root'}-{digest}"


class Settings(BaseSettings):
    """Validated, frozen settings of one running dashboard.

    Built with `load_settings`, which turns pydantic's report into one readable sentence.
    """

    model_config = SettingsConfigDict(
        env_prefix="XPCS_DASH_", frozen=True, extra="forbid", toml_file=None, arbitrary_types_allowed=True
    )

    root: Path | None = Field(
        None, description="watched acquisition directory; nothing outside it is ever read"
    )
    root_name: str | None = Field(
        None,
        pattern=r"^[\w.+-]{1,64}$",
        description="name of the watched directory in links and stored fits; default: its last part. "
        "Give the same to installations that see one directory under different paths",
    )
    state_dir: Path = Field(
        default_factory=lambda data: default_state_dir(data.get("root")),
        description="catalogue, fits, masks, notes, compile cache; never inside the watched directory",
    )
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8050, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    url_prefix: str = Field("/", description="path under which a proxy serves the dashboard")
    public_url: str | None = Field(
        None, description="address by which people reach the dashboard, for the link that serve prints"
    )
    trust_proxy: bool = Field(
        False, description="believe X-Forwarded-* and the user's name, from the proxy that the next two tell"
    )
    proxies: tuple[str, ...] = Field(
        (),
        description="addresses or networks of the proxy; empty: whoever has the secret, else this machine",
    )
    proxy_secret: SecretStr | None = Field(
        None, description="what the trusted proxy sends in X-Xpcs-Dash-Proxy, 16 characters or more"
    )

    catalogue_url: str | None = Field(
        None,
        description="SQLAlchemy URL of the index of the directory; default: SQLite in the state directory",
    )
    record_url: str | None = Field(
        None,
        description="SQLAlchemy URL of the record of what people made; default: the database of "
        "catalogue_url where that is a server's, else SQLite in the state directory",
    )
    cache_url: str | None = Field(None, description="redis://… for derived results shared by hosts")
    scheduler: str | None = Field(None, description="address of a Dask scheduler; default: one local worker")
    workers: int = Field(1, ge=1, le=64, description="web worker processes")
    threads: int = Field(8, ge=1, le=256, description="threads of each web worker")
    job_workers: int = Field(1, ge=1, le=64, description="Dask workers of the local cluster")

    watch_mode: Literal["auto", "inotify", "polling"] = Field("auto", description="how changes are noticed")
    rescan_s: float = Field(5.0, gt=0, le=3600, description="seconds between re-scans of the directory")
    settle_s: float = Field(0.2, ge=0, le=60, description="seconds a file's size and mtime must stand still")
    retry_limit_s: float = Field(
        120.0, gt=0, description="seconds an unreadable file is retried before quarantine"
    )
    file_suffixes: tuple[str, ...] = Field(
        (".hdf", ".h5", ".hdf5", ".nxs"), description="file names to look at"
    )

    data_cache_mb: int = Field(128, ge=8, description="bytes bound of the data cache, in MB")
    backend: Literal["auto", "jax", "numpy"] = Field(
        "auto", description="array backend", json_schema_extra=NUMBERS
    )
    min_coincidences: float = Field(
        10.0,
        gt=0,
        description="points with fewer expected coincidences are masked",
        json_schema_extra=NUMBERS,
    )
    operators: tuple[str, ...] = Field(
        (), description="user names (from the proxy's header) that may write, beside those who have a token"
    )
    admins: tuple[str, ...] = Field(
        (), description="user names (from the proxy's header) that may do all that there is to do"
    )
    user_header: str = Field("X-Remote-User", description="header in which a trusted proxy names the user")
    read_only: bool = Field(False, description="nobody may write through the web")
    token: SecretStr | None = Field(
        None, description="token that makes an operator; default: one that serve makes up"
    )
    open_on_loopback: bool = Field(
        False, description="everybody at this machine may write, as in the demo; not behind a proxy here"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="how much the processes say on stderr"
    )
    log_format: LogFormat = Field(
        "text", description='"text" for key=value on a line, "json" for one object a line'
    )

    @field_validator("root", "state_dir", mode="after")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().resolve()

    @field_validator("root_name", mode="after")
    @classmethod
    def _not_made(cls, value: str | None) -> str | None:
        if value == MADE:
            raise ValueError("'made' is the name of what is made here")
        return value

    @field_validator("url_prefix", mode="after")
    @classmethod
    def _slashes(cls, value: str) -> str:
        return f"/{value.strip('/')}/" if value.strip("/") else "/"

    @property
    def numbers(self) -> dict[str, Any]:
        """The settings that change numbers, by name."""
        return {
            name: getattr(self, name)
            for name, field in type(self).model_fields.items()
            if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("affects_numbers")
        }

    def handed_on(self) -> dict[str, Any]:
        """All settings as JSON takes them, secrets in clear, for a process of our own."""
        secrets = {n: v.get_secret_value() for n, v in self if isinstance(v, SecretStr)}
        return {**self.model_dump(mode="json"), **secrets}

    @property
    def made_dir(self) -> Path:
        """Where result files that were made here are kept: averages, and what was correlated."""
        return self.state_dir / "made"

    @property
    def averages_dir(self) -> Path:
        """Where averaged result files are kept."""
        return self.made_dir / "averages"

    @property
    def roots(self) -> dict[str, Path]:
        """Name -> directory of everything that may be read: the watched one, and what was made here."""
        watched = {} if self.root is None else {self.root_name or self.root.name or "root": self.root}
        return {**watched, MADE: self.made_dir}

    @property
    def catalogue(self) -> str:
        """SQLAlchemy URL of the index of the directory, which may be thrown away and is built again."""
        return self.catalogue_url or f"sqlite:///{self.state_dir / 'catalogue.sqlite'}"

    @property
    def record(self) -> str:
        """SQLAlchemy URL of the record of what people made, which is never thrown away."""
        shared = self.catalogue_url
        if shared is not None and shared.startswith("sqlite"):
            shared = None  # a file that may be thrown away is no place for it
        return self.record_url or shared or f"sqlite:///{self.state_dir / 'record.sqlite'}"


def load_settings(
    config: Path | None = None, texts: Mapping[str, str] | None = None, **overrides: Any
) -> Settings:
    """Read the settings.

    Parameters
    ----------
    config : TOML file, or None.
    texts : name -> value as somebody typed it; stands above the file and the environment.
    **overrides : values from the command line; None means "not given".

    Raises
    ------
    UsageError
        With every bad field and the reason in one sentence.
    """
    given = {name: _typed(name, text) for name, text in (texts or {}).items()}
    given |= {name: value for name, value in overrides.items() if value is not None}
    if config is not None and not config.is_file():
        raise UsageError(f"{config}: no such settings file; check the path given with --config.")

    class Configured(Settings):
        @classmethod
        def settings_customise_sources(  # type: ignore[override]  # the keywords are enough
            cls, settings_cls: Any, init_settings: Any, env_settings: Any, **_: Any
        ) -> Any:
            toml = () if config is None else (TomlConfigSettingsSource(settings_cls, config),)
            return (init_settings, env_settings, *toml)

    try:
        # a plain Settings: the local class cannot be pickled to the processes that serve starts
        settings = Settings.model_construct(**dict(Configured(**given)))
    except ValidationError as err:
        parts = [f"{'.'.join(map(str, e['loc']))}: {e['msg']} (found {e['input']!r})" for e in err.errors()]
        raise UsageError("settings: " + "; ".join(parts)) from None
    if settings.root is not None and settings.state_dir.is_relative_to(settings.root):
        raise UsageError(
            f"state directory {settings.state_dir} lies inside the watched directory {settings.root}; "
            "choose another with --state-dir: raw data stays untouched."
        )
    return settings


def _typed(name: str, text: str) -> Any:
    """The value of a setting from the text that somebody typed; lists in JSON or with commas between."""
    field = Settings.model_fields.get(name)
    if field is None:
        raise not_found("setting", name, Settings.model_fields)
    if get_origin(field.annotation) is not tuple:
        return text
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            raise UsageError(f"{name}={text!r}: this is not a list in JSON.") from None
    return [part.strip() for part in text.split(",") if part.strip()]
