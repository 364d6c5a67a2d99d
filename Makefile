# Each target is a line or two; the work is done in scripts/.

# For build, install and uninstall: the Postgres concerned. The other targets use a private copy of a Postgres, of
# this one if it is given, else of the newest on the machine.
PG_CONFIG ?= pg_config
# release, or dev for a quicker build.
PROFILE ?= release
# For dist: some of the supported Postgres versions; all without it.
MAJORS ?=
# For test: files, by their paths or names; all suites without it.
FILE ?=
export DESTDIR
export STARTED := $(shell date +%s)

.DEFAULT_GOAL := help
.PHONY: help demo test fresh lint docs bench matrix harden all build install uninstall dist clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

demo: ## a page that follows what psql changes, until Ctrl-C; PORT=…: there; ONCE=1: until one event has arrived
	@scripts/setup demo
	@scripts/install-privately dev
	@node pgrx-tests/harness/run-demo.js

test: ## all tests; FILE=…: these files of the end-to-end tests; PROFILE=dev: with a quicker build
	@scripts/setup test
	@PROFILE="$(PROFILE)" scripts/test $(FILE)

fresh: ## make demo on a fresh Debian 12 and 13, each as root and as a user with sudo
	@scripts/setup fresh
	@scripts/fresh

lint: ## rustfmt, clippy, shellcheck, pgspot on the SQL scripts, and smaller checks
	@scripts/setup lint
	@scripts/lint

docs: ## the documentation as a book, in target/book, with its links checked
	@scripts/setup docs
	@scripts/docs

bench: ## measure, beside plain NOTIFY and the official emitter
	@scripts/setup bench
	@scripts/install-privately release
	@node pgrx-tests/benches/run.js

matrix: ## the tests on each supported Postgres, and pg_upgrade between them: an hour; MAJORS="17 18": on these; PARTS=sample: some
	@scripts/matrix $(PARTS)

harden: ## an hour and more before a release: tests, faults, sqlsmith, valgrind in a Postgres with assertions; PARTS=… for some
	@scripts/harden $(PARTS)

# What `pgxn install` asks for before it asks for install.
all: build

build: ## build for the Postgres of PG_CONFIG=…, in PROFILE=release or dev
	@scripts/extension build "$(PG_CONFIG)" "$(PROFILE)"

install: ## build, and install into the Postgres of PG_CONFIG=… (below DESTDIR if given)
	@scripts/extension install "$(PG_CONFIG)" "$(PROFILE)"

uninstall: ## remove from the Postgres of PG_CONFIG=… what install put there
	@scripts/extension uninstall "$(PG_CONFIG)" "$(PROFILE)"

dist: ## all packages, for MAJORS="15 16 17 18", into target/dist
	@scripts/setup dist
	@scripts/dist $(MAJORS)

clean: ## remove what was built and set up, but for node_modules
	@scripts/clean
