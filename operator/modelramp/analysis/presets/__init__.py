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


def preset_problem(name: str) -> str | None:
    """Why a preset cannot be used, as a sentence; None when it exists."""
    from difflib import get_close_matches

    if preset_named(name) is not None:
        return None
    near = get_close_matches(name, (*PRESETS, *ALIASES), n=1)
    hint = f"did you mean {ALIASES.get(near[0], near[0])}?" if near else "`modelramp presets` lists them"
    return f"there is no preset {name!r}; {hint}"


__all__ = ["ALIASES", "PRESETS", "Labels", "Preset", "preset_named", "preset_problem"]
