//go:build tools

// Package main names the command that is built from this module, so that go.mod pins it.
package main

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
