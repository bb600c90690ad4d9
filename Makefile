# A thin front over meson: the words stay the same whatever is behind them.
#
#   make build        optimised, with the page when node is there; leaves build/gesso
#   make test         unit and property tests            make asan      the same under sanitizers
#   make interop      against Yjs in node                make interop-asan
#   make clients      stock clients and hostile ones     make crash     power cuts and kill -9
#   make port         files of other servers, in and out
#   make sim          simulated days: SEEDS=10000, or one again: SEED=n
#   make naive        10,000 random sessions beside the slow reference engine: SEEDS=n, SEED=n
#   make installed    what is installed, the examples, the engine in one file
#   make page-test    the page's own tests               make e2e       the page in a real browser
#   make fuzz T=name SECS=60                             make fuzz-smoke  every target, a little
#   make bench        beside Yjs and SQLite, 3 minutes  make bench-all   all of it, half an hour
#   make cover        coverage report
#   make lint         layers, sizes, form, cppcheck      make check     what CI runs, all of it, here
#
#   make interop SEED=n | SESSIONS=n | BYTES=n | REPLAY=file  make bench TRACE=file PEER=libyrs.so
#   PAGE=no builds without the page. JOBS=n compilers at once.

BUILD ?= build
JOBS ?= $(shell nproc)
MESON_FLAGS ?=
PAGE ?= $(if $(and $(shell command -v node 2>/dev/null),$(shell command -v npm 2>/dev/null)),yes,no)
SESSIONS ?= 500
EDITS ?= 200
BYTES ?= 500
SECS ?= 60
SMOKE_SECS ?= 10
NINJA = ninja -j$(JOBS)

.PHONY: build all page test asan interop interop-asan clients port crash power-cuts power-cuts-all slow-disk kill9 kill9-all sim naive page-test e2e fuzz fuzz-smoke bench bench-all lint cover \
        check clean

build: $(BUILD)/build.ninja $(if $(filter yes,$(PAGE)),page)
	$(NINJA) -C $(BUILD) gesso libyrs.so libyrs.a

all: $(BUILD)/build.ninja $(if $(filter yes,$(PAGE)),page)
	$(NINJA) -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD) $(MESON_FLAGS)

# The script knows whether there is anything to do.
page:
	node tools/pack.mjs

# The lock file says what is installed; npm writes .package-lock.json last.
%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --no-audit --no-fund --loglevel=error
	touch $@

test: all
	tools/meson-tests $(BUILD) --no-suite crash --no-suite sim

build-asan/build.ninja:
	CC=clang meson setup build-asan -Dsmall_runs=true -Db_sanitize=address,undefined -Db_lundef=false \
	  -Dc_args=-fno-sanitize-recover=undefined

asan: build-asan/build.ninja
	$(NINJA) -C build-asan
	tools/meson-tests build-asan --no-suite crash --timeout-multiplier 5

INTEROP = node tests/interop/interop.mjs --sessions $(SESSIONS) --edits $(EDITS) --bytes $(BYTES) $(if $(SEED),--seed $(SEED)) \
          $(if $(REPLAY),--replay $(REPLAY))

interop: all tests/interop/node_modules/.package-lock.json
	$(INTEROP) --driver $(BUILD)/tests/interop/interop_driver --gesso $(BUILD)/gesso --failures $(BUILD)/interop-failures

interop-asan: build-asan/build.ninja tests/interop/node_modules/.package-lock.json
	$(NINJA) -C build-asan
	$(INTEROP) --driver build-asan/tests/interop/interop_driver --gesso build-asan/gesso \
	  --failures build-asan/interop-failures

installed: all
	tests/install/run.sh $(BUILD)

clients: build tests/clients/node_modules/.package-lock.json
	node tests/clients/all.mjs --gesso $(BUILD)/gesso

port: build tests/port/node_modules/.package-lock.json
	node tests/port/port.mjs --gesso $(BUILD)/gesso

# Power cuts through the VFS shim and slow disks, then kill -9 of the real server.
crash: power-cuts slow-disk kill9

power-cuts: all
	tools/meson-tests $(BUILD) --suite crash

# After every single write and sync of the run, instead of each sixteenth.
power-cuts-all: all
	$(BUILD)/tests/crash/power_cut_sweep --every 1 --jobs $(JOBS) $(if $(SEED),--seed $(SEED))

# No call of persistence.h takes longer than 1 ms while every sync is 2 s late. Wants a quiet machine.
slow-disk: all
	tests/crash/persist_only.sh $(BUILD)/tests/crash/persist_only $(BUILD)/tests/crash/slow_sync.so

kill9: all tests/clients/node_modules/.package-lock.json
	node tests/crash/kill9.mjs --gesso $(BUILD)/gesso
	$(BUILD)/tests/crash/kill9_load --kills 200

# Of the server itself, under 10,000 updates a second over 500 boards.
kill9-all: all
	$(BUILD)/tests/crash/kill9_server --gesso $(BUILD)/gesso --kills 200 $(if $(SEED),--seed $(SEED))

# Some hundred days and the planted bugs; or SEEDS of them; or one, with all that happens.
SIM = $(BUILD)/tests/sim/sim
sim: all
	$(if $(SEED),$(SIM) --seed $(SEED) --verbose,$(if $(SEEDS),$(SIM) --seeds $(SEEDS) --jobs $(JOBS),\
	  tools/meson-tests $(BUILD) --suite sim))

# The unit tests run the first 1,000 of them.
NAIVE = $(BUILD)/tests/property/property_naive
naive: all
	$(NAIVE) $(if $(SEED),$(SEED),1 $(or $(SEEDS),10000))

page-test: page
	tools/page-tests

e2e: build tests/e2e/node_modules/.package-lock.json
	node tests/e2e/run.mjs $(BUILD)/gesso

fuzz:
	fuzz/run $(T) $(SECS)

fuzz-smoke:
	tools/fuzz-smoke $(SMOKE_SECS)

bench: all tests/interop/node_modules/.package-lock.json
	node bench/run.mjs --build $(BUILD) $(if $(TRACE),--trace $(TRACE)) $(if $(PEER),--peer $(PEER))
	$(BUILD)/bench/bench_store

bench-all: all tests/interop/node_modules/.package-lock.json
	node bench/run.mjs --build $(BUILD) --all $(if $(TRACE),--trace $(TRACE)) $(if $(ALSO),--also $(ALSO)) $(if $(PEER),--peer $(PEER))
	$(BUILD)/bench/bench_store --hours 24
	$(BUILD)/bench/bench_growth

# The exported symbols are checked where the library is built.
lint: all
	tools/lint $(BUILD)

cover:
	[ -f build-cover/build.ninja ] || meson setup build-cover -Db_coverage=true -Doptimization=0 -Dc_args=-fprofile-update=atomic
	$(NINJA) -C build-cover
	tools/meson-tests build-cover --timeout-multiplier 3
	gcovr -r . -f src/ --gcov-ignore-parse-errors build-cover

check:
	./test

clean:
	rm -rf build build-asan build-fuzz build-cover web/dist
