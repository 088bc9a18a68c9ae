# The commands of this project. Each does its own set-up on a bare Debian 12 (root, or sudo).
.DEFAULT_GOAL := help
.PHONY: help demo test lint deb bench fuzz clean
.DELETE_ON_ERROR:
SHELL := /bin/bash

PYTHON ?= python3
VENV   := .venv
PIP    := $(VENV)/bin/pip --disable-pip-version-check --quiet
NEEDED := ffmpeg:ffmpeg setpriv:util-linux prlimit:util-linux
# Faults that can be had for real (a power cut, a bad fsync), and systemd's word on the unit.
FAULTS := ps:procps ip:iproute2 chromium:chromium node:nodejs npm:npm strace:strace xfs_io:xfsprogs mkfs.ext4:e2fsprogs \
    systemd-analyze:systemd promtool:prometheus radosgw:radosgw ceph-mon:ceph-mon \
    ceph-osd:ceph-osd mmdebstrap:mmdebstrap sshd:openssh-server ssh-keygen:openssh-client
PACKAGING := dh:debhelper dpkg-buildpackage:dpkg-dev lintian:lintian
SOURCES := $(shell find kasm_recd -name '*.py') setup.cfg pyproject.toml README.md

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

demo: $(VENV)/installed ## real recordings in, playable clips out, in under two minutes
	$(VENV)/bin/kasm-recd demo --output demo-out

test: faults $(VENV)/tested ## the whole test run, against the built wheel, with branch coverage
	$(VENV)/bin/pytest --cov --cov-report=term $(ARGS)

lint: $(VENV)/linted ## ruff, its formatter, and mypy in strict mode
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

deb: packaging $(VENV)/bin/python ## a package for this Debian in build/, judged by lintian
	bin/deb $(VENV)/bin/pip

bench: $(VENV)/tested ## figures: ratios measured side by side in one run
	$(VENV)/bin/python -m bench

fuzz: $(VENV)/tested ## 10,000 harmed recordings through the encoder, half an hour at most; goes on where it stopped
	$(VENV)/bin/python -m tests.mutations --state .fuzz-state

clean: ## all that make has made
	rm -rf $(VENV) .toolbox build dist demo-out *.egg-info .coverage .*_cache .hypothesis

# The wheel is what is tested and shown, not the source tree.
$(VENV)/installed: $(VENV)/bin/python $(SOURCES) constraints.txt
	rm -rf build/wheel
	$(PIP) wheel --no-deps --wheel-dir build/wheel .
	$(PIP) install --constraint constraints.txt build/wheel/*.whl
	$(PIP) install --no-deps --force-reinstall build/wheel/*.whl
	touch $@

$(VENV)/tested: $(VENV)/installed
	$(PIP) install --constraint constraints.txt "$$(echo build/wheel/*.whl)[test]"
	touch $@

$(VENV)/linted: $(VENV)/tested
	$(PIP) install --constraint constraints.txt "$$(echo build/wheel/*.whl)[test,lint]"
	touch $@

$(VENV)/bin/python: | prepared
	$(PYTHON) -m venv $(VENV)

.PHONY: prepared faults packaging
prepared:
	@bin/prepare $(NEEDED)

faults:
	@bin/prepare $(FAULTS)

packaging:
	@bin/prepare $(PACKAGING)
