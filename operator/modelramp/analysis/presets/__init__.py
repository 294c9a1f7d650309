"""Queries that modelramp brings. None names an object: one answer serves every ModelDeployment that uses the preset."""

from collections.abc import Mapping
from types import MappingProxyType

from modelramp.analysis.presets import gateways, language, own, serving, web
from modelramp.analysis.presets.preset import Labels, Preset

_ALL = (*own.PRESETS, *serving.PRESETS, *web.PRESETS, *language.PRESETS, *gateways.PRESETS)
PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in _ALL})
"""All presets by name."""

__all__ = ["PRESETS", "Labels", "Preset"]
