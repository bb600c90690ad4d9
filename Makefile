# A thin front over meson: the words stay the same whatever is behind them.
#
#   make build        optimised, with the page when node is there; leaves build/gesso
#   make test         unit and property tests            make asan      the same under sanitizers
#   make interop      against Yjs in node                make clients   stock clients, npm
#   make crash        kill -9 and power cuts             make e2e       real browsers
#   make fuzz T=name SECS=60                             make bench     tables beside Yjs
#   make lint         layers, sizes, form, cppcheck      make cover     coverage report
#   make check        what CI runs, all of it, here
#
#   make interop SEED=n | SESSIONS=n | REPLAY=file       make bench TRACE=file
#   PAGE=no builds without the page.

BUILD ?= build
JOBS ?= $(shell nproc)
MESON_FLAGS ?=
NODE := $(shell command -v node 2>/dev/null)
NPM := $(shell command -v npm 2>/dev/null)
PAGE ?= $(if $(and $(NODE),$(NPM),$(wildcard web/package-lock.json)),yes,no)
SESSIONS ?= 500
EDITS ?= 200
SECS ?= 60
# npm: from the lock file, without scripts that nobody asked for
NPM_CI = npm ci --no-audit --no-fund --loglevel=error

.PHONY: build page test asan interop interop-asan clients crash e2e fuzz fuzz-smoke bench lint cover check clean

build: $(BUILD)/build.ninja $(if $(filter yes,$(PAGE)),page)
	ninja -C $(BUILD) -j$(JOBS)

$(BUILD)/build.ninja:
	meson setup $(BUILD) $(MESON_FLAGS)

# The page is packed only when something in web/ is newer than the pack.
page: web/dist/gesso.pack

WEB_SOURCES = $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -print 2>/dev/null) \
              $(wildcard tools/pack*)

web/dist/gesso.pack: web/node_modules/.package-lock.json $(WEB_SOURCES)
	cd web && npm run build && npm run pack

# npm writes this file last.
%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && $(NPM_CI)
	touch $@

test: build
	tools/meson-tests $(BUILD)

# clang with the address and undefined behaviour sanitizers, the whole unit suite.
build-asan/build.ninja:
	CC=clang meson setup build-asan -Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debugoptimized

asan: build-asan/build.ninja
	ninja -C build-asan -j$(JOBS)
	tools/meson-tests build-asan

interop: build tests/interop/node_modules/.package-lock.json
	node tests/interop/interop.mjs --driver $(BUILD)/tests/interop/interop_driver --gesso $(BUILD)/gesso \
	  --failures $(BUILD)/interop-failures --sessions $(SESSIONS) --edits $(EDITS) \
	  $(if $(SEED),--seed $(SEED)) $(if $(REPLAY),--replay $(REPLAY))

interop-asan: build-asan/build.ninja tests/interop/node_modules/.package-lock.json
	ninja -C build-asan -j$(JOBS)
	node tests/interop/interop.mjs --driver build-asan/tests/interop/interop_driver --gesso build-asan/gesso \
	  --failures build-asan/interop-failures --sessions $(SESSIONS) --edits $(EDITS) $(if $(SEED),--seed $(SEED))

lint:
	tools/lint

cover:
	[ -f build-cover/build.ninja ] || meson setup build-cover -Db_coverage=true -Dbuildtype=debug -Doptimization=0
	ninja -C build-cover -j$(JOBS)
	tools/meson-tests build-cover
	gcovr -r . -f 'src/' build-cover

check:
	./test

clean:
	rm -rf build build-asan build-fuzz build-cover web/dist
