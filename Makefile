# The long checks, which no plain "go test" runs. Each says what it needs.

# How long each fuzz target runs, and which packages' targets (all that have some).
FUZZTIME ?= 30s
FUZZPKG ?= ./...

.PHONY: model model-quick fuzz fuzz-list

## model: check the independent model of the protocol (pbft/model); needs spin and gcc
model:
	@./pbft/model/run.sh full

## model-quick: its variants of less than a minute
model-quick:
	@./pbft/model/run.sh quick

# By default Go spends up to a minute on making each new input shorter, which is all the time there is.
## fuzz: run each fuzz target in turn for FUZZTIME, one worker at a time; stops at the first that fails
fuzz:
	@set -e; go list -f '{{.ImportPath}} {{.Dir}}' $(FUZZPKG) | while read -r pkg dir; do \
		for target in $$(cat "$$dir"/*_test.go 2>/dev/null | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p'); do \
			echo "== $$pkg $$target"; \
			go test "$$pkg" -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) \
				-fuzzminimizetime 10x -parallel 1; \
		done; \
	done

## fuzz-list: the targets, by file
fuzz-list:
	@grep -rn -B1 --include='*_test.go' '^func Fuzz' . | sed -n 's/^\.\/\([^:]*\)_test\.go:[0-9]*:func \(Fuzz[A-Za-z0-9_]*\)(.*/\1: \2/p'

.PHONY: mutants

## mutants: show that a test finds each deliberate bug of testnet/sim/mutants; all take an hour or
## more. ONLY=M17,R1 runs some, DOZEN=k the twelve of day k, LIST=1 lists them, CONTROLS=1 runs the
## controls, JSON=1 prints JSON
mutants:
	@go run ./testnet/sim/mutants/... $(if $(ONLY),--only $(ONLY)) $(if $(DOZEN),--dozen $(DOZEN)) \
		$(if $(LIST),--list) $(if $(CONTROLS),--controls) $(if $(JSON),--json)

.PHONY: kills state-transfer

## kills: 200 SIGKILLs of real processes under a checked load, of one node, of any, of the primary;
## about ten minutes. KILLS=n makes it another number
kills:
	@set -e; for whom in one any primary; do \
		go run ./cmd/byzd nemesis --kills $(or $(KILLS),200) --whom $$whom; \
	done

## state-transfer: a wiped node fetches 100 MiB of state, although one source lies; MIB=n
state-transfer:
	@go test ./testnet/acceptance -run TestWipedUnderLoad -count=1 -v -state-mib $(or $(MIB),100)
