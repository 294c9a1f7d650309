//go:build tools

// Package main names the commands that are built from this module, so that go.mod pins them.
package main

import (
	_ "github.com/norwoodj/helm-docs/cmd/helm-docs"
	_ "github.com/rhysd/actionlint/cmd/actionlint"
)
