# Everything a person does here, by name. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

BIN := bin/halite
PORT ?= 8080
LINT_VERSION := $(shell sed -n 's|.*golangci/golangci-lint/v2 \(v[0-9.]*\).*|\1|p' tools/go.mod)
LINT := .cache/golangci-lint-$(LINT_VERSION)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Get what `make run` needs: PostgreSQL server programs, where there are none
	@command -v go >/dev/null || { echo "Go 1.26 or newer is needed: https://go.dev/dl"; exit 1; }
	@sh scripts/get-postgres.sh

.PHONY: build
build: ## Build bin/halite
	go build -o $(BIN) .

.PHONY: run
run: setup build ## Set up, build and serve on the embedded database in ./.data; SALT=fake: with a Salt master to play with
	@LISTEN_PORT=$${LISTEN_PORT:-$(PORT)} sh scripts/run.sh

.PHONY: test
test: test-setup web-setup check-format check-generated vet test-go test-web ## Run every check and test

.PHONY: test-setup
test-setup: setup
	@sh scripts/get-pgbouncer.sh

.PHONY: check-format
check-format:
	@out=$$(go tool gofumpt -l $$(git ls-files '*.go' | grep -v /generated/)); if [ -n "$$out" ]; then echo "not formatted (make generate):"; echo "$$out"; exit 1; fi
	@go mod tidy -diff

.PHONY: check-generated
check-generated:
	@tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; \
	git ls-files -z | xargs -0 cp --parents -t "$$tmp" 2>/dev/null || true; \
	(cd "$$tmp" && go generate ./... >/dev/null); \
	for f in $$(git ls-files 'graph/*.go'); do cmp -s "$$f" "$$tmp/$$f" || { echo "$$f is not what make generate writes"; exit 1; }; done
	@echo "generated files are in sync"

.PHONY: vet
vet:
	go vet ./...

.PHONY: test-go
test-go: ## Run the Go tests alone
	go test -race ./...

.PHONY: web-setup
web-setup:
	@sh scripts/get-web.sh

.PHONY: test-web
test-web: build fake-salt ## Run the HTTP audits and the tests of the pages alone
	cd web && npm run -s check-schema && npm run -s typecheck && npm run -s test:unit && npm run -s check-dist
	cd web && HALITE_BIN=$(CURDIR)/$(BIN) npm run -s test:audits
	cd web && HALITE_BIN=$(CURDIR)/$(BIN) npm run -s test:e2e

.PHONY: screenshots
screenshots: build fake-salt web-setup ## Take the pictures in docs/images anew
	cd web && HALITE_BIN=$(CURDIR)/$(BIN) SCREENSHOTS=$(CURDIR)/docs/images npm run -s test:e2e -- e2e/audit e2e/admin

.PHONY: fake-salt
fake-salt:
	go build -o bin/fake-salt ./internal/salt/saltfake/cmd

.PHONY: lint
lint: $(LINT) ## Run golangci-lint and look for known vulnerabilities
	$(LINT) run ./...
	@sh scripts/vulncheck.sh

$(LINT): tools/go.mod
	@echo "building golangci-lint $(LINT_VERSION), which takes some minutes the first time"
	@mkdir -p .cache
	go build -modfile=tools/go.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: generate
generate: ## Regenerate the GraphQL code and format
	go generate ./...
	go tool gofumpt -w $$(git ls-files '*.go' | grep -v /generated/)

BENCH_ROWS ?= 1000000
.PHONY: bench
bench: test-setup bench-setup build ## Measure: parts by themselves, then side by side with others (BENCH_ROWS=1000000); see docs/performance.md
	go test -run '^$$' -bench . -benchmem ./internal/policy ./internal/cursor ./internal/merkle
	go test -run '^$$' -bench . -benchtime 1x ./graph
	go test -run '^$$' -bench . -benchtime 1x -timeout 30m ./db
	BENCH_ROWS=$(BENCH_ROWS) go test -run '^$$' -bench Archive -benchtime 1x ./internal/retention
	go test -run '^$$' -bench Sealing -benchtime 1x -timeout 30m ./internal/tree
	go test -run '^$$' -bench Recorder -benchtime 1x ./internal/metrics
	GOMAXPROCS=1 go test -run '^$$' -bench File -benchtime 5x ./internal/verify
	go test -run '^$$' -bench 'Depth|Export|Live' -benchtime 1x -timeout 90m ./internal/httpapi
	go run ./bench -rows $(BENCH_ROWS) $(BENCH_FLAGS)

.PHONY: bench-peers
bench-peers: setup bench-setup build ## The side-by-side part of bench alone; BENCH_FLAGS=-publish puts it into docs/
	go run ./bench -rows $(BENCH_ROWS) $(BENCH_FLAGS)

.PHONY: bench-full
bench-full: ## The same as bench, of 10 million rows
	$(MAKE) bench BENCH_ROWS=10000000

.PHONY: bench-setup
bench-setup:
	@sh scripts/get-bench.sh

FUZZ_EXECUTIONS ?= 1000000
.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZ_EXECUTIONS (1,000,000)
	@grep -rl '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do \
		for target in $$(grep -ho '^func Fuzz[A-Za-z]*' "$$dir"/*_test.go | cut -c6- | sort -u); do \
			echo "== $$dir $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ_EXECUTIONS)x -parallel 2 "$$dir"; \
		done; done

.PHONY: cover
cover: ## Measure test coverage over all packages
	go test -coverpkg=./... -coverprofile=cover.out ./...
	go tool cover -func=cover.out | tail -1
