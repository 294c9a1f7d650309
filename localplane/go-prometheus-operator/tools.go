//go:build tools

// Package main names the command that is built from this module, so that go.mod pins what it is made of.
package main

import _ "github.com/prometheus-operator/prometheus-operator/cmd/operator"
