"""Every setting that a process is started with. What an operator changes while running lives in the database instead."""

from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from the environment (`SMMPANEL_…`, and `DATABASE_URL`); everything has a default that works on one machine."""

    model_config = SettingsConfigDict(env_prefix="SMMPANEL_", env_ignore_empty=True, extra="ignore")

    home: Path = Path("var")
    """Where the embedded database, the keys and the log of a panel live."""
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    database_url: SecretStr | None = Field(
        None, validation_alias=AliasChoices("DATABASE_URL", "SMMPANEL_DATABASE_URL", "database_url")
    )
    """A PostgreSQL server's address; unset starts the embedded one in `home`."""
    database_pool: int = Field(8, ge=2, le=200)
    """Connections that one process may hold."""

    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    secret_keys: SecretStr | None = None
    """Comma-separated Fernet keys, newest first; unset keeps a generated one in `home/secret.keys`."""
    access_token_minutes: int = Field(30, ge=1)
    session_days: int = Field(30, ge=1)

    preset: str = "tonicstools"
    """The preset that a new panel starts from."""
    admin_username: str | None = None
    admin_email: str | None = None
    admin_password: SecretStr | None = None

    outgoing_allow: str = ""
    """Comma-separated `host:port`, hosts or networks that providers may have although they are private."""
    trusted_proxies: str = ""
    """Comma-separated networks whose `X-Forwarded-For` is believed."""
    secure_cookies: bool = False
    """Set behind HTTPS: cookies are then sent over HTTPS only."""
    api_rate_per_minute: int = Field(600, ge=1)
    """Calls of the APIs that one key, or one user with access tokens, may make in a minute; more are answered 429."""
    api_burst: int = Field(120, ge=1)
    """Calls that they may make at once, before the rate counts."""

    cors_origins: str = Field("", pattern=r"^(\*|https?://[^\s/?#,]+(\s*,\s*https?://[^\s/?#,]+)*)?$")
    """Comma-separated origins, such as `https://shop.example`, whose scripts may call the JSON API with a token or a key;
    `*` are all, empty is none."""

    metrics_allow: str = "127.0.0.1,::1"
    """Comma-separated networks that may read `/metrics`."""
    metrics_token: SecretStr | None = None
    """If set, `/metrics` is read with `Authorization: Bearer …` instead, from anywhere."""

    submission_concurrency: int = Field(50, ge=1, le=1000)
    """Calls in flight at one provider unless the provider sets its own limit."""
    finished_watch_days: int = Field(3, ge=0)
    """How long finished orders are still looked at, since providers change them."""

    public_url: str = Field("", pattern=r"^(https?://[^\s/?#]+/?)?$")
    """Where the panel is found by its users, such as `https://panel.example`: links in mails begin with it."""
    smtp_host: str = ""
    """The mail server that mails are handed to; without one they wait."""
    smtp_port: int | None = Field(None, ge=1, le=65535)
    """Unset: 587 for `starttls`, 465 for `tls`, 25 for `none`."""
    smtp_user: str = ""
    smtp_password: SecretStr | None = None
    smtp_from: str = Field("", pattern=r"^([^@\s<>]+@[^@\s<>]+)?$")
    """The address that mails come from."""
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    """How the line to the mail server is encrypted; `none` is for a server on the same machine."""
    smtp_timeout_seconds: float = Field(30, gt=0, le=300)

    mail_to_folder: bool = False
    """For development: without a mail server, mails are kept in `home/mails`, where the master admin reads them."""

    openid_issuer: str = Field("", max_length=300, pattern=r"^(https?://[^\s?#]+)?$")
    """Another site to sign in with, by OpenID Connect, such as `https://accounts.google.com`; else as staff set it."""
    openid_client_id: str = ""
    openid_client_secret: SecretStr | None = None
    openid_label: str = Field("", max_length=40)
    """What the button says."""

    @model_validator(mode="after")
    def _mail_is_whole(self) -> Self:
        if self.smtp_host and not self.smtp_from:
            raise ValueError("SMMPANEL_SMTP_FROM is needed with SMMPANEL_SMTP_HOST: the address that mails come from")
        if self.smtp_user and self.smtp_tls == "none" and not _on_this_machine(self.smtp_host):
            raise ValueError("SMMPANEL_SMTP_TLS=none would send the mail server's password in the clear")
        return self

    @property
    def can_mail(self) -> bool:
        """Whether mails go anywhere: to a mail server or, in development, into a folder."""
        return bool(self.smtp_host) or self.mails_go_to_folder

    @property
    def mails_go_to_folder(self) -> bool:
        """Whether mails are kept for whoever develops, in place of being sent."""
        return self.mail_to_folder and not self.smtp_host

    @property
    def address(self) -> str:
        """Where the panel is found, without a slash at the end."""
        return self.public_url.rstrip("/") or f"http://{self.host}:{self.port}"

    @property
    def is_embedded(self) -> bool:
        """Whether the panel brings its own PostgreSQL."""
        return self.database_url is None

    def networks(self, text: str) -> tuple[str, ...]:
        """Split a comma-separated setting."""
        return tuple(part.strip() for part in text.split(",") if part.strip())


def _on_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
