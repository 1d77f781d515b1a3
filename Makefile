# Everything a contributor runs. `make up` and `make test` need Go, git and
# Debian; what else they need they install or name.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

MODULES = proto servicekit directory-svc invitation-svc policy-svc sync-svc gateway deploy/entente deploy/e2e deploy/bench
PROGRAMS = entente.dev/deploy/entente entente.dev/directory-svc entente.dev/invitation-svc entente.dev/policy-svc entente.dev/sync-svc entente.dev/gateway
REVISION := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
BUF = $$(GOWORK=off go -C proto/tools/buf tool -n buf)
# Options of `entente up` for `make up`, for instance ARGS="--listen 127.0.0.1:0 --tls-listen 127.0.0.1:0".
ARGS ?=
# Data folder for `make up`; empty for the program's own choice.
DATA_DIR ?=

# Stamping by git fails in a checkout of another user, as containers have; REVISION does the same.
export GOFLAGS := $(filter-out -buildvcs=%,$(GOFLAGS)) -buildvcs=false

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

.PHONY: up
up: build ## build, start everything with the demo tenants, run the main job once, serve until Ctrl-C
	@exec bin/entente up --demo $(if $(DATA_DIR),--data-dir "$(DATA_DIR)") $(ARGS)

.PHONY: build
build: ## put entente and the five services into bin/
	@echo "building into bin/ (a minute or two the first time)"
	@mkdir -p bin
	@go build -v -ldflags "-X entente.dev/deploy/entente/internal/cli.revision=$(REVISION)" -o bin/ $(PROGRAMS) 2>&1 | $(COUNT)

# Turns the names of built packages and fetched modules into a sign of life, and lets all else through.
COUNT = awk '/^go: downloading / { d++; if (d % 25 == 0) print "  " d " modules fetched"; fflush(); next } \
	/^[A-Za-z0-9_.\/~-]+$$/ { n++; if (n % 100 == 0) print "  " n " packages built"; fflush(); next } { print; fflush() }'

# Never from the cache, which does not see the programs that e2e builds.
.PHONY: test
test: ## install what is missing (as root), then run all tests of all modules with the race detector
	@deploy/prepare cc postgres chromium node
	@echo "testing all modules with the race detector (some minutes the first time)"
	@go test -race -count=1 -timeout 20m work

.PHONY: plans
plans: ## assert the plans of lists, filters and searches at 1 000 000 users
	@deploy/prepare cc postgres
	@ENTENTE_PLAN_USERS=1000000 go test -count=1 -timeout 30m -run TestPlansUseIndexes ./directory-svc/internal/store

.PHONY: bench
bench: build ## measure the suite against pgbench on the same server
	@deploy/prepare postgres
	@go -C deploy/bench run . -entente "$(CURDIR)/bin/entente" $(ARGS)

.PHONY: generate
generate: ## lint the protos and write the generated code
	@GOWORK=off go -C proto/tools/protogen run ./cmd/protodeps -out "$(CURDIR)/.protodeps" google/api/annotations.proto google/api/field_behavior.proto google/api/httpbody.proto
	@buf=$(BUF); "$$buf" format -w proto && "$$buf" lint && "$$buf" generate
	@GOWORK=off go -C proto/tools/protogen run ./cmd/openapi "$(CURDIR)/proto/openapi/entente.swagger.json"

.PHONY: check
check: vet modules drift lint vulnerabilities ## everything beside the tests that a change must pass

.PHONY: vet
vet: ## go vet and gofmt over all modules
	@go vet work
	@out=$$(git ls-files '*.go' ':!proto/gen' | xargs gofmt -l); if [ -n "$$out" ]; then echo "not formatted by gofmt:"; echo "$$out"; exit 1; fi

.PHONY: modules
modules: ## each module builds by itself, and the module files are in order
	@for m in $(MODULES); do echo "  $$m alone"; GOWORK=off go -C $$m build ./... && GOWORK=off go -C $$m mod tidy -diff; done
	@go work sync && git diff --exit-code -- go.work '*go.mod' '*go.sum'

.PHONY: drift
drift: generate ## the committed generated code is what the protos make
	@git diff --exit-code --stat -- proto && test -z "$$(git ls-files --others --exclude-standard proto)"

.PHONY: lint
lint: ## golangci-lint over all modules
	@bin=$$(GOWORK=off go -C deploy/tools/lint tool -n golangci-lint); \
	bad=0; for m in $(MODULES); do echo "  lint $$m"; (cd $$m && "$$bin" run --config "$(CURDIR)/.golangci.yaml" ./...) || bad=1; done; exit $$bad

.PHONY: vulnerabilities
vulnerabilities: ## govulncheck, when its database answers
	@if curl -fsS -m 10 -o /dev/null https://vuln.go.dev/index/db.json 2>/dev/null; then \
		bin=$$(GOWORK=off go -C deploy/tools/lint tool -n govulncheck); for m in $(MODULES); do (cd $$m && "$$bin" ./...); done; \
	else echo "  the vulnerability database does not answer: not checked"; fi
