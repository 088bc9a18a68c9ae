"""Settings that are what they were given: read nowhere else, never changed, no name passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_settings import BaseSettings, SettingsConfigDict

if TYPE_CHECKING:
    from pydantic_settings import PydanticBaseSettingsSource


class Given(BaseSettings):
    """Only what :func:`~kasm_recd.settings.sources.load` found.

    The library's own readers pass over unknown names and cannot say where a value came from.
    """

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,  # pydantic would print the secrets
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """None of the library's own."""
        _ = settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)
