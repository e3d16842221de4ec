# Installing and packaging; part of the Makefile. Folders are those of GNU:
#   make install PREFIX=/usr LIBDIR=/usr/lib/x86_64-linux-gnu DESTDIR=/tmp/package
#   make uninstall          with the same folders

BINDIR       ?= $(PREFIX)/bin
LIBDIR       ?= $(PREFIX)/lib
INCLUDEDIR   ?= $(PREFIX)/include
DATADIR      ?= $(PREFIX)/share
MANDIR       ?= $(DATADIR)/man
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
CMAKEDIR     ?= $(LIBDIR)/cmake/moons
# Where `require` of Lua finds modules in C.
LUA_CMODDIR  ?= $(LIBDIR)/lua/5.4

VERSION := $(shell sed -n 's/^\#define MOONS_VERSION "\(.*\)"/\1/p' runtime/moons.h)
PACKAGE := $(BUILD)/package
STORE_SO := $(if $(SQLITE),parallel/store.so)

# What is installed: its mode, the file, where it goes.
MODULES := $(foreach file,parallel.so $(STORE_SO),755:$(BUILD)/$(file):$(LUA_CMODDIR)/$(file))
# The plugin of the backend "mpi", where MPI=1 builds it.
INSTALLED := $(if $(MPI),755:$(MPI_SO):$(LIBDIR)/moons/moons_mpi.so) 755:$(BUILD)/moons:$(BINDIR)/moons $(MODULES) \
  644:runtime/moons.h:$(INCLUDEDIR)/moons.h \
  644:$(BUILD)/libmoons.a:$(LIBDIR)/libmoons.a \
  755:$(BUILD)/libmoons.so:$(LIBDIR)/$(SONAME).$(VERSION_REST) \
  644:$(PACKAGE)/moons.pc:$(PKGCONFIGDIR)/moons.pc \
  644:$(PACKAGE)/moons-config.cmake:$(CMAKEDIR)/moons-config.cmake \
  644:$(PACKAGE)/moons-config-version.cmake:$(CMAKEDIR)/moons-config-version.cmake \
  644:$(PACKAGE)/moons.1:$(MANDIR)/man1/moons.1 \
  644:$(PACKAGE)/moons.h.3:$(MANDIR)/man3/moons.h.3 \
  $(foreach file,$(wildcard lua/types/*.lua lua/types/*/*.lua),644:$(file):$(DATADIR)/moons/$(file:lua/%=%))
# Names of the shared library: what programs are linked with, and what they want when they run.
LINKS := $(LIBDIR)/libmoons.so $(LIBDIR)/$(SONAME)

# The folders are not of the sources: what names them is made anew each time.
FILLED := $(PACKAGE)/moons.pc $(PACKAGE)/moons-config.cmake $(PACKAGE)/moons-config-version.cmake
FILL    = sed -e 's|@PREFIX@|$(PREFIX)|g; s|@LIBDIR@|$(LIBDIR)|g; s|@INCLUDEDIR@|$(INCLUDEDIR)|g' \
  -e 's|@VERSION@|$(VERSION)|g; s|@NEEDS@|$(LUA) $(UV)|g; s|@LIBS@|-pthread $(SYS_LIBS)|g; s|@SONAME@|$(SONAME)|g'

.PHONY: install uninstall amalg man rock install-rock doc

install: all man $(FILLED) ## install under PREFIX (/usr/local); BINDIR, LIBDIR, INCLUDEDIR, DATADIR, DESTDIR
	@for entry in $(INSTALLED); do sh package/install.sh "$$entry" '$(DESTDIR)' || exit 1; done
	@for link in $(LINKS); do ln -sf $(SONAME).$(VERSION_REST) "$(DESTDIR)$$link" || exit 1; done

uninstall: ## remove what install has installed; with the same PREFIX and folders
	@for entry in $(INSTALLED); do rm -f "$(DESTDIR)$${entry##*:}"; done
	@for link in $(LINKS); do rm -f "$(DESTDIR)$$link"; done
	@rmdir '$(DESTDIR)$(LIBDIR)/moons' '$(DESTDIR)$(CMAKEDIR)' '$(DESTDIR)$(LUA_CMODDIR)/parallel' '$(DESTDIR)$(DATADIR)/moons/types/parallel' \
	  '$(DESTDIR)$(DATADIR)/moons/types' '$(DESTDIR)$(DATADIR)/moons' 2>/dev/null || true

$(FILLED): $(PACKAGE)/%: package/%.in FORCE
	@mkdir -p $(@D)
	@$(FILL) $< > $@

# ---- Manual pages ----------------------------------------------------------------------------

man: $(PACKAGE)/moons.1 $(PACKAGE)/moons.h.3 ## write the manual pages

$(PACKAGE)/moons.1: package/moons.1.in package/manual.lua $(BUILD)/moons
	@mkdir -p $(@D)
	@$(BUILD)/moons --help | $(BUILD)/moons package/manual.lua command $< $(VERSION) > $@

$(PACKAGE)/moons.h.3: runtime/moons.h package/manual.lua $(BUILD)/moons
	@mkdir -p $(@D)
	@$(BUILD)/moons package/manual.lua header $< $(VERSION) > $@

# ---- The library as one file -----------------------------------------------------------------

TWINS   := $(wildcard runtime/*/*_linux.c runtime/*/*_posix.c)
SINGLES := $(filter-out $(COMMAND) runtime/store/% $(TWINS),$(wildcard runtime/*/*.c))

amalg: $(BUILD)/amalg/moons.c ## write the library as build/amalg/moons.c and moons.h

$(BUILD)/amalg/moons.c: $(SINGLES) $(TWINS) $(HEADERS) $(BUILD)/obj/base/lua_sources.c package/amalgamate.lua LICENSE $(BUILD)/moons
	@mkdir -p $(@D)
	@$(call show,amalgamate $@)
	$(Q)$(BUILD)/moons package/amalgamate.lua $(@D) $(SINGLES) $(BUILD)/obj/base/lua_sources.c -- $(TWINS)

# ---- LuaRocks --------------------------------------------------------------------------------

rock: $(BUILD)/moons $(BUILD)/parallel.so $(addprefix $(BUILD)/,$(STORE_SO))

# BINDIR and LUA_CMODDIR are LuaRocks' own.
install-rock: rock
	@for entry in 755:$(BUILD)/moons:$(BINDIR)/moons $(MODULES); do sh package/install.sh "$$entry" '' || exit 1; done

# ---- Reference -------------------------------------------------------------------------------

doc: ## write references of moons.h (Doxygen) and of the Lua module (LDoc) into build/doc
	@mkdir -p $(BUILD)/doc
	@OUTPUT=$(BUILD)/doc/c VERSION=$(VERSION) doxygen package/Doxyfile
	@ldoc --quiet --fatalwarnings --config package/config.ld --dir $(CURDIR)/$(BUILD)/doc/lua .
	@echo '$(BUILD)/doc/c/html/index.html, $(BUILD)/doc/lua/index.html'
