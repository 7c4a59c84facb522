# `make help` lists the targets. ARGS passes arguments on: make demo ARGS=--once

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# How long one package's tests may take, and how long each fuzz test runs.
TEST_TIMEOUT ?= 30m
FUZZ_TIME ?= 30s

.PHONY: help install install-tests build openapi screenshots demo test lint bench fuzz check-compose clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## install the Postgres and Redis servers if they are missing
	@scripts/install-servers

install-tests:
	@scripts/install-servers --tests

# The revision goes into the build if there is a repository that git can read.
BUILDVCS := $(shell git rev-parse --is-inside-work-tree >/dev/null 2>&1 && echo true || echo false)

# Gin's own tag leaves out its MessagePack, which nothing here speaks: 6 MB of the program.
TAGS := nomsgpack

build: ## build bin/trunkline and bin/trunkline-demo
	@[[ -x bin/trunkline ]] || echo "Fetching and compiling: some three minutes the first time, seconds from then on ..."
	@go build -buildvcs=$(BUILDVCS) -tags $(TAGS) -o bin/ ./cmd/...

openapi: install ## write api/openapi.json from the endpoints and the types of their answers
	@go test ./api -count=1 -run '^TestDescriptionIsFresh$$' -write-openapi

screenshots: install-tests ## write pictures of the console's pages into docs/screenshots
	@mkdir -p docs/screenshots
	@go test ./api -count=1 -run '^TestEveryPageOfTheConsole$$' -write-screenshots "$(CURDIR)/docs/screenshots"

demo: install build ## a sample PBX with everything running, until Ctrl-C; ARGS=--once checks and ends
	@exec bin/trunkline-demo demo $(ARGS)

# A password check takes a second under the race detector in place of 50 ms. Blowfish shares nothing, so that
# there is nothing to detect in it.
RACE := -race -gcflags=golang.org/x/crypto/blowfish=-race=false

test: install-tests ## run every test with the race detector
	@echo "Compiling with the race detector and testing: some ten minutes the first time on two cores. A line a package, as each ends."
	@go test $(RACE) -json -timeout $(TEST_TIMEOUT) $(ARGS) ./... | go run ./internal/testlines

lint: ## gofmt, go vet, staticcheck, and go.mod tidy
	@unformatted="$$(gofmt -l .)"; \
	if [[ -n "$$unformatted" ]]; then echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; fi
	@go vet ./...
	@go tool staticcheck ./...
	@go mod tidy -diff

bench: install build ## measure, one line a figure: BENCH name value unit
	@go run ./internal/bench $(ARGS)

fuzz: install ## run each fuzz test for FUZZ_TIME (30s)
	@for package in $$(go list ./...); do \
		for name in $$(go test -list '^Fuzz' "$$package" | grep '^Fuzz' || true); do \
			echo "$$package $$name"; \
			go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZ_TIME) "$$package"; \
		done; \
	done

check-compose: ## with a running Docker: build the image, bring up docker-compose.yml and use it
	@deploy/check-compose

clean: ## remove what was built
	@rm -rf bin
