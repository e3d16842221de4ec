# Moons: `make` builds, `make test` checks everything, `make help` lists the rest.
#
# Variants live in folders of their own, so that they never mix:
#   make CC=clang                      build/clang
#   make SANITIZE=address,undefined    build/asan
#   make SANITIZE=thread               build/tsan
#   make PORTABLE=1                    build/portable   without what only one system has
#   make LTO=1                         build/lto
#   make IMAGES=1                      build/images     proves at once, and checks states against their images
# MPI=1 builds the plugin of the backend "mpi" too, with MPICC.
# V=1 prints commands in full, and not a short line for each file.
# WERROR= (empty) turns warnings back into warnings, for a compiler newer than ours.

CFLAGS     ?= -O2 -g
WERROR     ?= -Werror
PKG_CONFIG ?= pkg-config
PREFIX     ?= /usr/local
SYSTEM     := $(shell uname -s)
# A command on the PATH, or where Fedora has it; nothing where it is not there.
found       = $(or $(shell command -v $1),$(wildcard /usr/lib64/openmpi/bin/$1))
MPICC      := $(or $(MPICC),$(call found,mpicc))
MPIRUN     := $(or $(MPIRUN),$(call found,mpirun))

comma   := ,
variant := $(findstring clang,$(notdir $(CC)))
variant += $(if $(findstring thread,$(SANITIZE)),tsan,$(if $(SANITIZE),asan))
variant += $(if $(PORTABLE),portable) $(if $(LTO),lto) $(if $(IMAGES),images)
empty   :=
BUILD   := build$(addprefix /,$(subst $(empty) ,-,$(strip $(variant))))

# ---- What we build on ------------------------------------------------------------------------

# The first of these names that is a Lua 5.4.
LUA := $(firstword $(foreach name,lua5.4 lua-5.4 lua54 lua,$(if \
         $(shell $(PKG_CONFIG) --exists '$(name) >= 5.4 $(name) < 5.5' 2>&1 || echo no),,$(name))))
UV  := $(if $(shell $(PKG_CONFIG) --exists 'libuv >= 1.34' 2>&1 || echo no),,libuv)

SQLITE := $(if $(shell $(PKG_CONFIG) --exists 'sqlite3 >= 3.24' 2>&1 || echo no),,sqlite3)

LUA_CFLAGS := $(if $(LUA),$(shell $(PKG_CONFIG) --cflags $(LUA)))
LUA_LIBS   := $(if $(LUA),$(shell $(PKG_CONFIG) --libs $(LUA)))
UV_CFLAGS  := $(if $(UV),$(shell $(PKG_CONFIG) --cflags $(UV)))
UV_LIBS    := $(if $(UV),$(shell $(PKG_CONFIG) --libs $(UV)))
# Where there is no SQLite, the option `store` says so.
SQLITE_CFLAGS := $(if $(SQLITE),$(shell $(PKG_CONFIG) --cflags $(SQLITE)) -DMOONS_STORE=1)
SQLITE_LIBS   := $(if $(SQLITE),$(shell $(PKG_CONFIG) --libs $(SQLITE)))

# The command carries Lua inside it where the system has Lua as an archive.
LUA_NAME    := $(patsubst -l%,lib%.a,$(filter -llua%,$(LUA_LIBS)))
LUA_DIRS    := $(patsubst -L%,%,$(filter -L%,$(LUA_LIBS)))
LUA_DIRS    += $(if $(LUA),$(shell $(PKG_CONFIG) --variable=libdir $(LUA)))
LUA_ARCHIVE := $(firstword $(wildcard $(addsuffix /$(LUA_NAME),$(LUA_DIRS))))

# ---- Flags -----------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wconversion
# Includes begin at runtime/: "wire/names.h".
CPPFLAGS += -iquote runtime $(patsubst -I%,-isystem %,$(LUA_CFLAGS) $(UV_CFLAGS) $(SQLITE_CFLAGS))
LANGUAGE := -std=c11 -fPIC -fvisibility=hidden -pthread

ifneq ($(SANITIZE),)
  CFLAGS   := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all -fsanitize=$(SANITIZE)
  # All takes longer, and short maps are to be seen too.
  CPPFLAGS += -DMOONS_CALLER_NS=2e6
  # As shared libraries gcc's two runtimes do not share a log_path.
  IS_GCC   := $(findstring Free Software,$(shell $(CC) --version))
  RUNTIMES := $(if $(and $(IS_GCC),$(findstring address,$(SANITIZE))),-static-libasan -static-libubsan)
endif
ifneq ($(LTO),)
  CFLAGS   += -flto
endif
ifneq ($(IMAGES),)
  CFLAGS   += -DMOONS_CHECK_IMAGES -DMOONS_PROVE_AFTER=0
endif

# Programs want this name of the shared library: one version of it after the other, as long as they can use it.
SONAME       := libmoons.so.0
VERSION_REST := 2.0

ifeq ($(SYSTEM),Darwin)
  CPPFLAGS += -D_DARWIN_C_SOURCE
  EXPORT   := -Wl,-export_dynamic
  WHOLE_LUA = $(if $(LUA_ARCHIVE),-Wl$(comma)-force_load$(comma)$(LUA_ARCHIVE),$(LUA_LIBS))
  SHARED   := -dynamiclib -install_name @rpath/$(SONAME)
  MODULE   := -bundle -undefined dynamic_lookup -Wl,-exported_symbol,_luaopen_parallel \
                -Wl,-exported_symbol,_luaopen_parallel_experiment
  PLUGIN   := -bundle
  STORE_MODULE := -bundle -undefined dynamic_lookup -Wl,-exported_symbol,_luaopen_parallel_store
  SYS_LIBS := -lm
else
  CPPFLAGS += -D_GNU_SOURCE
  EXPORT   := -Wl,-E
  WHOLE_LUA = $(if $(LUA_ARCHIVE),-Wl$(comma)--whole-archive $(LUA_ARCHIVE) \
                -Wl$(comma)--no-whole-archive,$(LUA_LIBS))
  SHARED   := -shared -Wl,-soname,$(SONAME)
  # Stays in memory: a call that was given up may still run when its state is closed.
  MODULE   := -shared -Wl,-z,nodelete -Wl,--version-script=runtime/module/parallel.map
  PLUGIN   := -shared
  STORE_MODULE := -shared -Wl,--version-script=runtime/store/store.map
  SYS_LIBS := -lm -ldl
endif

# ---- Files -----------------------------------------------------------------------------------

# Where a room has twins, x_linux.c and x_posix.c, one of them is built.
TWIN_LEFT := $(if $(and $(filter Linux,$(SYSTEM)),$(if $(PORTABLE),,yes)),%_posix.c,%_linux.c)
# Of the command alone.
COMMAND   := $(wildcard runtime/command/*.c)
# Of the command and of parallel/store.so, not of the library.
STORE     := $(if $(SQLITE),$(wildcard runtime/store/*.c))
SOURCES   := $(filter-out $(COMMAND) runtime/store/% $(TWIN_LEFT),$(wildcard runtime/*/*.c))
HEADERS   := $(wildcard runtime/*.h runtime/*/*.h)
LUA_FILES := $(sort $(wildcard lua/parallel/*.lua lua/parallel/*/*.lua))
LUA_FILES := $(filter %/init.lua,$(LUA_FILES)) $(filter-out %/init.lua,$(LUA_FILES))

OBJECTS := $(SOURCES:runtime/%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/base/lua_sources.o
OF_STORE := $(STORE:runtime/%.c=$(BUILD)/obj/%.o)
OUTPUTS := $(addprefix $(BUILD)/,moons libmoons.a libmoons.so parallel.so $(if $(SQLITE),parallel/store.so))
# Several MPIs may be there, each with a plugin of its own: make MPI=1 MPICC=mpicc.mpich MPI_SO=build/mpich/moons_mpi.so
MPI_SO  ?= $(BUILD)/moons_mpi.so
OUTPUTS += $(if $(MPI),$(MPI_SO))
COMPILE  = $(CC) $(LANGUAGE) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) $(WERROR)
SETTINGS = $(COMPILE) $(LDFLAGS) $(SHARED) $(WHOLE_LUA) $(SOURCES) $(STORE) $(LUA_FILES)

# show WHAT: the short line, unless whole commands are printed.
Q    := $(if $(V),,@)
show = $(if $(V),:,echo '$(1)')

# ---- Building --------------------------------------------------------------------------------

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all deps demo test test-slurm test-mpi chaos spec check-images fuzz asan tsan portable clean help FORCE
.PHONY: bench bench-peers bench-charts instructions instructions-accept
.PHONY: lint luacheck layers format format-check tidy cppcheck

all: $(OUTPUTS) ## build the command, the libraries and the Lua module

$(BUILD)/moons: $(COMMAND:runtime/%.c=$(BUILD)/obj/%.o) $(OF_STORE) $(OBJECTS)
	@$(call show,ld $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(RUNTIMES) -pthread $(EXPORT) -o $@ $^ \
	  $(WHOLE_LUA) $(UV_LIBS) $(SQLITE_LIBS) $(SYS_LIBS)

$(BUILD)/libmoons.a: $(OBJECTS)
	@$(call show,ar $@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/libmoons.so: $(OBJECTS)
	@$(call show,ld $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread $(SHARED) -o $@ $^ $(LUA_LIBS) $(UV_LIBS) $(SYS_LIBS)
	$(Q)ln -sf $(@F) $(@D)/$(SONAME)

# Takes Lua from the program that loads it, and shows it the two that open modules.
$(BUILD)/parallel.so: $(OBJECTS) runtime/module/parallel.map
	@$(call show,ld $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread $(MODULE) -o $@ $(OBJECTS) $(UV_LIBS) $(SYS_LIBS)

# What stock Lua loads; it takes Lua from the program too, and buffers and maps from the library's archive.
$(BUILD)/parallel/store.so: $(OF_STORE) $(BUILD)/libmoons.a runtime/store/store.map
	@mkdir -p $(@D)
	@$(call show,ld $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(STORE_MODULE) -o $@ $(OF_STORE) $(BUILD)/libmoons.a $(SQLITE_LIBS)

# What the command loads for -b mpi alone.
$(MPI_SO): runtime/backend/mpi/plugin.c runtime/backend/mpi.h
	@mkdir -p $(@D)
	@$(call show,mpicc $@)
	$(Q)$(or $(MPICC),mpicc) -std=c11 -fPIC -fvisibility=hidden -iquote runtime $(filter-out -f%,$(CFLAGS)) $(WARNINGS) $(WERROR) $(LDFLAGS) \
	  $(PLUGIN) -o $@ $<

$(BUILD)/obj/%.o: runtime/%.c $(BUILD)/obj/settings
	@mkdir -p $(@D)
	@$(call show,cc $<)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

$(BUILD)/obj/base/lua_sources.o: $(BUILD)/obj/base/lua_sources.c $(BUILD)/obj/settings
	@$(call show,cc $<)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

$(BUILD)/obj/base/lua_sources.c: $(LUA_FILES) $(BUILD)/obj/settings runtime/module/embed.sh
	@mkdir -p $(@D)
	@$(call show,embed lua/)
	$(Q)sh runtime/module/embed.sh lua $(LUA_FILES) > $@

# Changes only when the compiler, its flags or the list of files do: then everything is built anew.
$(BUILD)/obj/settings: FORCE | $(BUILD)/obj
	@$(if $(LUA),,echo 'moons: pkg-config knows no Lua 5.4; `make deps` installs it' >&2; exit 1)
	@$(if $(UV),,echo 'moons: pkg-config knows no libuv; `make deps` installs it' >&2; exit 1)
	@echo '$(SETTINGS)' | cmp -s - $@ || echo '$(SETTINGS)' > $@

$(BUILD)/obj:
	mkdir -p $@

-include $(wildcard $(BUILD)/obj/*/*.d)

# ---- Running and checking --------------------------------------------------------------------

# What specs find in their environment: the command under test, how to compile a small C program
# for this build, and what to link it with. The test runner itself is never a variant. JOBS says how
# many files of specs are run at a time.
SPECS = $(and $(BACKEND),SPEC_BACKEND='$(BACKEND)') $(and $(OF_MPI),SPEC_MPIRUN='$(MPIRUN)' MOONS_MPI='$(CURDIR)/$(OF_MPI)') MOONS='$(CURDIR)/$(BUILD)/moons' MOONS_CC='$(CC) $(LANGUAGE) $(CPPFLAGS) $(CFLAGS)' \
  MOONS_LIBS='$(BUILD)/libmoons.a $(RUNTIMES) $(LUA_LIBS) $(UV_LIBS) $(SYS_LIBS)' \
  sh .ci/specs.sh

deps: ## install what building and checking need, where it is missing
	@sh .ci/deps.sh

demo: ## run the example of the README
	@sh .ci/deps.sh build
	@$(MAKE) --no-print-directory all
	$(BUILD)/moons examples/random_forest/main.lua

test: deps ## build everything, run every check
	@sh .ci/check.sh

# Where there is an MPI, its specs need the plugin.
OF_MPI := $(if $(and $(MPICC),$(MPIRUN)),$(MPI_SO))

spec: all build/moons $(OF_MPI) ## run the specs: make spec JOBS=4 ARGS='spec/wire -t threads'
	$(SPECS) $(ARGS)

test-slurm: all build/moons ## the specs of a Slurm allocation, in a cluster on this machine; as root
	sh .ci/slurm.sh sh -c 'SPEC_SLURM_CONF="$$SLURM_CONF" $(MAKE) --no-print-directory spec ARGS=spec/hosts/slurm_spec.lua'

chaos: all build/moons ## 200 maps on hosts while chance kills, stops and cuts what they run on; make chaos ROUNDS=1000
	SPEC_ROUNDS=$(or $(ROUNDS),200) $(MAKE) --no-print-directory spec ARGS=spec/hosts/chaos_spec.lua

test-mpi: all build/moons ## the specs of MPI, and those of threads on its ranks, under Open MPI and MPICH
	@sh .ci/mpi.sh '$(MAKE)' $(BUILD)

# The folders in which calls do much; those with the large states take an hour.
check-images: ## the specs with proofs at once, states compared with their images after proved calls
	@$(MAKE) --no-print-directory spec IMAGES=1 \
	  ARGS='--exclude-tags=large $(or $(ARGS),spec/state spec/map spec/wire spec/regression)'

fuzz: all ## make random functions, look for wrong proofs: make fuzz ARGS='--seconds 600'
	@$(BUILD)/moons -b inline spec/fuzz/trace_fuzz.lua $(ARGS)

# What measuring finds in its environment: the compiler, how to compile a C program or module for this build, what to link
# it with, and Lua as the command has it.
MEASURE = CC='$(CC)' CFLAGS='$(CFLAGS)' MOONS_CC='$(CC) $(LANGUAGE) $(CPPFLAGS) $(CFLAGS)' \
  MOONS_LIBS='$(BUILD)/libmoons.a $(UV_LIBS) $(SYS_LIBS)' \
  MOONS_LUA='$(or $(LUA_ARCHIVE),$(LUA_LIBS)) $(SYS_LIBS)' $(BUILD)/moons

bench: all ## measure, against plain Lua and bare threads: make bench ARGS='states maps'
	@sh bench/deps.sh
	@$(MEASURE) bench/run.lua $(ARGS)
	@$(BUILD)/moons bench/charts.lua $(BUILD)/bench $(BUILD)/bench/charts

bench-peers: all ## measure, against the pools of Python, Node, R and others, which it installs
	@sh bench/deps.sh peers $(BUILD)/bench/peers
	@$(MEASURE) bench/peers/run.lua $(ARGS)
	@$(BUILD)/moons bench/charts.lua $(BUILD)/bench $(BUILD)/bench/charts

# What the README shows: a run of both, one after the other, on a machine with nothing else to do.
bench-charts: ## measure everything, and keep tables and charts in bench/charts
	@$(MAKE) --no-print-directory -j1 bench ARGS=
	@$(MAKE) --no-print-directory -j1 bench-peers ARGS=
	@mkdir -p bench/charts
	@cp $(BUILD)/bench/charts/*.svg $(BUILD)/bench/*.md $(BUILD)/bench/*.csv \
	  $(BUILD)/bench/*_machine.txt bench/charts

# Counts hold for a compiler with its flags: they are part of what counts are accepted for.
instructions: all ## count the instructions of hot paths, compare with those accepted
	@$(MEASURE) bench/instructions.lua compare $(ARGS)

instructions-accept: all ## accept the counts of now
	@$(MEASURE) bench/instructions.lua accept $(ARGS)

asan: ## build under the address and undefined behaviour sanitizers
	@$(MAKE) --no-print-directory SANITIZE=address,undefined

tsan: ## build under the thread sanitizer
	@$(MAKE) --no-print-directory SANITIZE=thread

portable: ## build without what only one system has
	@$(MAKE) --no-print-directory PORTABLE=1

ifneq ($(BUILD),build)
build/moons:
	@$(MAKE) --no-print-directory SANITIZE= PORTABLE= LTO= IMAGES= CC=cc $@
endif

lint: luacheck format-check tidy cppcheck layers ## read the sources with every tool we have

LUA_TREES := lua spec examples bench package .ci
C_TREES   := runtime runtime/* runtime/backend/mpi spec spec/* spec/c/* examples examples/* bench
C_FILES   := $(sort $(wildcard $(addsuffix /*.[ch],$(C_TREES))))
HAS_HTTP  := $(shell printf '\043include <http_parser.h>\n\043include <cjson/cJSON.h>' | $(CC) -E - >/dev/null 2>&1 && echo 1)
FOREIGN   := $(if $(filter Linux,$(SYSTEM)),,%_linux.c) $(if $(HAS_HTTP),,examples/service/%.c)
TIDIED    := $(filter-out $(FOREIGN),$(wildcard runtime/*/*.c spec/fuzz/*.c examples/*/*.c))

luacheck:
	luacheck --no-color --quiet $(LUA_TREES)

layers: all ## who may include what, and call what
	@sh .ci/layers.sh . $(BUILD)/obj

format: ## put the C sources into shape
	@clang-format -i $(C_FILES)

format-check:
	@clang-format --dry-run -Werror $(C_FILES)

tidy: $(TIDIED:%=$(BUILD)/tidy/%.ok)

$(BUILD)/tidy/%.ok: % $(HEADERS) .clang-tidy
	@mkdir -p $(@D)
	@echo clang-tidy $<
	@clang-tidy --quiet $< -- $(LANGUAGE) $(CPPFLAGS) >$@ 2>&1 && ! grep -q 'error:' $@ || { cat $@; rm $@; exit 1; }

cppcheck:
	cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr \
	  --std=c11 --suppress=missingIncludeSystem -j 2 $(CPPCHECK) runtime spec/c spec/fuzz bench

include package/package.mk

clean: ## remove build/
	rm -rf build

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-19s %s\n", $$1, $$2 }' $(filter-out %.d,$(MAKEFILE_LIST))
