"""Queries that modelramp brings. None names an object: one answer serves every ModelDeployment that uses the preset."""

from collections.abc import Mapping
from types import MappingProxyType

from modelramp.analysis.presets import gateways, language, own, serving
from modelramp.analysis.presets.preset import Labels, Preset

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {preset.name: preset for preset in (*own.PRESETS, *serving.PRESETS, *language.PRESETS, *gateways.PRESETS)}
)
"""All presets by name."""

__all__ = ["PRESETS", "Labels", "Preset"]
