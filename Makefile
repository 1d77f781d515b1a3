# Everything a contributor runs. `make up` and `make test` need Go, git and
# Debian; what else they need they install or name.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
BUF = $$(GOWORK=off go -C proto/tools/buf tool -n buf)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: generate
generate: ## lint the protos and write the generated code
	@GOWORK=off go -C proto/tools/protogen run ./cmd/protodeps -out "$(CURDIR)/.protodeps" google/api/annotations.proto google/api/field_behavior.proto google/api/httpbody.proto
	@buf=$(BUF); "$$buf" format -w proto && "$$buf" lint && "$$buf" generate
