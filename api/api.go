// Package api holds the HTTP contract of walletd, written by hand. The server
// is tested against it, and serves it at /openapi.yaml.
package api

import _ "embed"

// OpenAPI is the contract, OpenAPI 3.1 in YAML. It must not be changed.
//
//go:embed openapi.yaml
var OpenAPI []byte
