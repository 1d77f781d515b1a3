// Package proto holds what is generated from the protos besides code.
package proto

import _ "embed"

// OpenAPI is the document of the REST API in OpenAPI 2, JSON.
//
//go:embed openapi/entente.swagger.json
var OpenAPI []byte
