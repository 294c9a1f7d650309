//go:build tools

// Package main names the commands that are built from this module besides main.go, so that go.mod pins them too.
package main

import _ "github.com/prometheus/prometheus/cmd/prometheus"
