// Package service wires the gateway: connections in, one http.Handler out.
// config.go has the settings, service.go the wiring from top to bottom,
// serve.go the listeners.
package service
