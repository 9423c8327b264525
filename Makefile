# The long checks, which no plain "go test" runs. Each says what it needs.

FUZZTIME ?= 30s

.PHONY: model model-quick

## model: check the independent model of the protocol (pbft/model); needs spin and gcc
model:
	@./pbft/model/run.sh full

## model-quick: its variants of less than a minute
model-quick:
	@./pbft/model/run.sh quick
