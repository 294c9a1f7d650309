"""Queries that modelramp brings. None names an object: one answer serves every ModelDeployment that uses the preset."""

from collections.abc import Mapping
from types import MappingProxyType

from modelramp.analysis.presets import gateways, language, modelramp, serving, web
from modelramp.analysis.presets.preset import Labels, Preset

_ALL = (*modelramp.PRESETS, *serving.PRESETS, *web.PRESETS, *language.PRESETS, *gateways.PRESETS)
PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in _ALL})
"""All presets by name."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {name.removeprefix("reference-"): name for name in PRESETS if name.startswith("reference-")}
)
"""Old names of presets, with the names that they have now. Read for one release."""


def preset_named(name: str | None) -> Preset | None:
    """The preset of that name, or of that old name."""
    return PRESETS.get(ALIASES.get(name or "", name or ""))


__all__ = ["ALIASES", "PRESETS", "Labels", "Preset", "preset_named"]
