/*
** The command `moons`: runs a Lua script as `lua` does, with the module `parallel` at hand. All that
** the library must not do (arguments, environment, signals, exit codes, messages) is done in this folder.
**
** What lua.c of Lua 5.4 does too is done as there, and in the same order.
*/
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/host_list.h"
#include "backend/world.h"
#include "command/crash.h"
#include "command/keyboard.h"
#include "command/prompt.h"
#include "command/ranks.h"
#include "command/running.h"
#include "command/signals.h"
#include "moons.h"
#include "schedule/runtime.h"
#include "sizes.h"
#include "store/store.h"
#include "system/blocks.h"
#include "system/machine.h"
#include "system/trace.h"
#include "wire/traceback.h"
#include "worker/program.h"

static const char USAGE[] =
    "usage: %s [options] [script [args]]\n"
    "Available options are:\n"
    "  -e stat     execute string 'stat'\n"
    "  -i          enter interactive mode after executing 'script'\n"
    "  -l mod      require library 'mod' into global 'mod'\n"
    "  -l g=mod    require library 'mod' into global 'g'\n"
    "  -j N        use N workers where a call does not say how many\n"
    "  --trace FILE\n"
    "              write when and where calls ran, for Perfetto and Chrome\n"
    "  -b NAME     run calls on threads, processes (a crash costs one call), inline, or\n"
    "              mpi: mpirun -n 4 moons -b mpi script.lua\n"
    "  -H HOSTS    run calls on other machines: node1:16,ann@node2, @FILE, or slurm\n"
    "  --launch COMMAND\n"
    "              reach a host by it, with {host} and {moons} in it, and not by ssh\n"
    "  --shard K/N with the option 'store': make the calls of share K of N alone\n"
    "  -v          show version information\n"
    "  -h          show this help\n"
    "  -E          ignore environment variables\n"
    "  -W          turn warnings on\n"
    "  --          stop handling options\n"
    "  -           stop handling options and execute stdin\n";

static const char TRACE[] = "--trace", SHARD[] = "--shard", LAUNCH[] = "--launch";

#define TEXT_OF_(number) #number
#define TEXT_OF(number) TEXT_OF_(number)

typedef struct command {
  int argc;
  char **argv;
  int script;               /* its place in argv; argc where there is none */
  unsigned shard, n_shards; /* 0: the script makes all its calls */
  int shows_version, shows_help, executes, is_interactive, ignores_environment, warns;
  const char *trace;               /* the file; NULL: none is wanted */
  const char *backend;             /* its name */
  char why[MOONS__LIST_WHY_BYTES]; /* a value is refused, where that is more than what was wanted */
  moons_options options;
} command;

static const char *program_name = "moons";
static atomic_int is_at_prompt;
static moons_runtime *runtime;  /* NULL: there is none yet */
static moons__starter programs; /* of the script */
static moons__trace *trace;     /* NULL: there is none */
static moons__world *world;     /* of MPI; NULL: there is none */

static void complain(const char *message) {
  if (!atomic_load(&is_at_prompt)) fprintf(stderr, "%s: ", program_name);
  fprintf(stderr, "%s\n", message);
  fflush(stderr);
}

/* {== Programs ================================================================================ */

/* The `begin` of the script's starter. What was printed comes before what the program prints; a call that was given
** up may hold stdout. */
static const void *begin_program(lua_State *L, void *data) {
  (void)L;
  moons__signals_begin_program();
  if (ftrylockfile(stdout) == 0) {
    fflush(stdout);
    funlockfile(stdout);
  }
  return data;
}

/* A shell tells that a program has died of SIGINT by its exit code. */
static void end_program(lua_State *L, int status) {
  (void)L;
  int has_died =
      WIFSIGNALED(status) ? WTERMSIG(status) == SIGINT : WEXITSTATUS(status) == 128 + SIGINT;
  moons__signals_end_program(has_died);
}

static void open_programs(lua_State *L) {
  programs.begin = begin_program;
  programs.ended = end_program;
  programs.data = &programs;
  moons__program_install(L, &programs);
}

/* {== The end =================================================================================

** The end of a process writes out all files, and waits for those that another thread reads: a call that was
** given up may do so for ever. */

enum { FLUSH_MS = 100 };

/* A thread of its own, since it may never come back. The end of the pipe tells that it has. */
static void *flush_all(void *fd) {
  fflush(NULL);
  close(*(int *)fd);
  return NULL;
}

/* Whether all files could be written out. Those of the script are. */
static int have_flushed(void) {
  static int fds[2]; /* used by a thread that may never end */
  pthread_t thread;
  fflush(stdout);
  fflush(stderr);
  if (pipe(fds) != 0) return 1;
  int has_flushed = 1;
  if (pthread_create(&thread, NULL, flush_all, &fds[1]) == 0) {
    pthread_detach(thread);
    struct pollfd closed = {.fd = fds[0], .events = POLLIN};
    has_flushed = poll(&closed, 1, FLUSH_MS) != 0;
  }
  return has_flushed;
}

static void end_trace(void) {
  const char *why = moons__trace_close(trace);
  if (why != NULL)
    fprintf(stderr, "%s: events are missing from the trace: %s\n", program_name, why);
}

/* exit() would wait for those files too: then the process ends without it. MPI may end it at once. */
static int end_process(int code) {
  end_trace();
  int has_flushed = have_flushed();
  if (world != NULL) moons__signals_leave();
  moons__world_close(world, code);
  if (!has_flushed) _exit(code);
  return code;
}

/* os.exit([code [, close]]) of the script, which ends calls with their programs. */
static int call_exit(lua_State *L) {
  int code = lua_isboolean(L, 1) ? !lua_toboolean(L, 1) : (int)luaL_optinteger(L, 1, EXIT_SUCCESS);
  if (lua_toboolean(L, 2)) {
    moons__signals_tell(NULL);
    lua_close(L);
  } else {
    moons__program_write_out(L);
  }
  moons__children_close(programs.children, &programs);
  exit(end_process(code));
}

/* {== Arguments =============================================================================== */

/* The value of an option such as -j: what follows the letter, or the next argument, but not another option. */
static const char *option_value(command *c, int *i) {
  const char *argument = c->argv[*i];
  if (argument[2] != '\0') return argument + 2;
  if (*i + 1 < c->argc && c->argv[*i + 1][0] != '-') return c->argv[++*i];
  return NULL;
}

static int read_n_workers(command *c, const char *text) {
  char *end;
  unsigned long n = strtoul(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end != '\0' || n < 1 || n > MOONS_MAX_WORKERS) return 0;
  c->options.n_workers = (unsigned)n;
  return 1;
}

/* Whether this is the option of this name, which takes a value: --trace FILE, or --trace=FILE. */
static int is_long(const char *option, const char *name) {
  size_t n_bytes = strlen(name);
  return strncmp(option, name, n_bytes) == 0 && (option[n_bytes] == '\0' || option[n_bytes] == '=');
}

/* The value of such an option; NULL: there is none. */
static const char *long_value(command *c, int *i) {
  const char *equals = strchr(c->argv[*i], '=');
  const char *value = equals != NULL ? equals + 1 : NULL;
  if (equals == NULL && *i + 1 < c->argc && c->argv[*i + 1][0] != '-') value = c->argv[++*i];
  return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Reads "K/N". */
static int read_shard(command *c, const char *text) {
  char rest;
  int n_read = sscanf(text, "%5u/%5u%c", &c->shard, &c->n_shards, &rest);
  return text[0] >= '0' && text[0] <= '9' && n_read == 2 && c->shard >= 1 &&
         c->shard <= c->n_shards;
}

static int read_launch(command *c, const char *launch) {
  c->options.launch = launch;
  return launch != NULL && moons__launch_is_valid(launch);
}

static int read_long_option(command *c, int *i) {
  const char *option = c->argv[*i], *value;
  if (is_long(option, TRACE)) return (c->trace = long_value(c, i)) != NULL;
  if (is_long(option, SHARD)) return (value = long_value(c, i)) != NULL && read_shard(c, value);
  if (is_long(option, LAUNCH)) return read_launch(c, long_value(c, i));
  c->shows_help = strcmp(option, "--help") == 0;
  c->shows_version |= strcmp(option, "--version") == 0;
  return c->shows_help || strcmp(option, "--version") == 0;
}

/* Nothing is started here: the list is read to see whether it is one. */
static int read_hosts(command *c, const char *names) {
  moons__host_list list;
  if (strcmp(names, "slurm") == 0) {
    names = getenv("SLURM_JOB_NODELIST");
    if (names == NULL) snprintf(c->why, sizeof c->why, "SLURM_JOB_NODELIST is not set");
    if (c->options.launch == NULL) c->options.launch = moons__launch_by_slurm;
  }
  if (names == NULL || moons__host_list_read(&list, NULL, names, c->why)) return 0;
  moons__host_list_free(&list);
  c->backend = "hosts";
  c->options.backend = MOONS_HOSTS;
  c->options.hosts = names;
  return 1;
}

static int read_backend(command *c, const char *name) {
  c->backend = name;
  return moons__backend_of_name(name, &c->options.backend) && c->options.backend != MOONS_HOSTS;
}

/* Reads the option at argv[*i] with its value. Returns 0 where it is none that is known, or where the value is not
** what it wants. */
static int read_option(command *c, int *i) {
  const char *value;
  switch (c->argv[*i][1]) {
  case 'v': c->shows_version = 1; return c->argv[*i][2] == '\0';
  case 'h': c->shows_help = 1; return c->argv[*i][2] == '\0';
  case 'i': c->is_interactive = c->shows_version = 1; return c->argv[*i][2] == '\0';
  case 'E': c->ignores_environment = 1; return c->argv[*i][2] == '\0';
  case 'W': c->warns = 1; return c->argv[*i][2] == '\0';
  case 'e': c->executes = 1; return option_value(c, i) != NULL;
  case 'l': return option_value(c, i) != NULL;
  case 'j': value = option_value(c, i); return value != NULL && read_n_workers(c, value);
  case 'b': value = option_value(c, i); return value != NULL && read_backend(c, value);
  case 'H': value = option_value(c, i); return value != NULL && read_hosts(c, value);
  case '-': return read_long_option(c, i);
  default: return 0;
  }
}

/* Finds the options and the script. Returns the place of a bad option, or 0. */
static int read_arguments(command *c) {
  int i = 1;
  for (; i < c->argc && c->argv[i][0] == '-' && c->argv[i][1] != '\0'; i++) {
    if (strcmp(c->argv[i], "--") == 0) {
      i++;
      break;
    }
    int at = i;
    if (!read_option(c, &i)) return at;
  }
  c->script = i;
  return 0;
}

/* {== Running ================================================================================= */

static int add_traceback(lua_State *L) {
  const char *message = lua_tostring(L, 1);
  if (message == NULL) {
    if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING) return 1;
    message = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  }
  moons__push_traceback(L, L, message, 1);
  return 1;
}

/* Calls the function below `n_arguments`; a failure is told. */
static int call_told(lua_State *L, int n_arguments, int n_results) {
  int base = lua_gettop(L) - n_arguments;
  lua_pushcfunction(L, add_traceback);
  lua_insert(L, base);
  int status = lua_pcall(L, n_arguments, n_results, base);
  lua_remove(L, base);
  if (status != LUA_OK) {
    const char *message = lua_tostring(L, -1);
    complain(message != NULL ? message : "(error message is not a string)");
    lua_pop(L, 1);
  }
  return status;
}

static int tell_load_error(lua_State *L) {
  complain(lua_tostring(L, -1));
  lua_pop(L, 1);
  return LUA_ERRSYNTAX;
}

static int run_string(lua_State *L, const char *text, const char *name) {
  if (luaL_loadbuffer(L, text, strlen(text), name) != LUA_OK) return tell_load_error(L);
  return call_told(L, 0, 0);
}

/* -l mod, -l g=mod */
static int run_library(lua_State *L, const char *argument) {
  const char *equals = strchr(argument, '=');
  const char *module = equals != NULL ? equals + 1 : argument;
  lua_getglobal(L, "require");
  lua_pushstring(L, module);
  int status = call_told(L, 1, 1);
  if (status != LUA_OK) return status;
  const char *dash = strchr(module, '-'); /* a version that is no part of the global's name */
  if (equals != NULL)
    lua_pushlstring(L, argument, (size_t)(equals - argument));
  else
    lua_pushlstring(L, module, dash != NULL ? (size_t)(dash - module) : strlen(module));
  lua_insert(L, -2);
  lua_pushglobaltable(L);
  lua_insert(L, -3);
  lua_settable(L, -3);
  lua_pop(L, 1);
  return LUA_OK;
}

static int run_environment(lua_State *L) {
  const char *name = "=LUA_INIT_5_4", *init = getenv(name + 1);
  if (init == NULL) init = getenv((name = "=LUA_INIT") + 1);
  if (init == NULL) return LUA_OK;
  if (*init != '@') return run_string(L, init, name);
  if (luaL_loadfile(L, init + 1) != LUA_OK) return tell_load_error(L);
  return call_told(L, 0, 0);
}

/* Runs -e and -l in their order. */
static int run_options(lua_State *L, command *c) {
  for (int i = 1; i < c->script; i++) {
    if (c->argv[i][0] != '-') continue;
    char option = c->argv[i][1];
    if (strchr("eljbH", option) == NULL || option == '\0') continue;
    const char *value = option_value(c, &i);
    int status = LUA_OK;
    if (option == 'e') status = run_string(L, value, "=(command line)");
    if (option == 'l') status = run_library(L, value);
    if (status != LUA_OK) return status;
  }
  return LUA_OK;
}

/* The global `arg`: the script at 0, its arguments from 1, what came before below 0. */
static void set_arg(lua_State *L, const command *c) {
  int script = c->script < c->argc ? c->script : 0;
  lua_createtable(L, c->argc - script, script + 1);
  for (int i = 0; i < c->argc; i++) {
    lua_pushstring(L, c->argv[i]);
    lua_rawseti(L, -2, i - script);
  }
  lua_setglobal(L, "arg");
}

/* Pushes the arguments from the global `arg`, which a script of -l or -e may have changed. */
static int push_arguments(lua_State *L) {
  if (lua_getglobal(L, "arg") != LUA_TTABLE) luaL_error(L, "'arg' is not a table");
  int n = (int)luaL_len(L, -1);
  luaL_checkstack(L, n + 3, "too many arguments to script");
  for (int i = 1; i <= n; i++)
    lua_rawgeti(L, -i, i);
  lua_remove(L, -n - 1);
  return n;
}

static int run_script(lua_State *L, const command *c) {
  const char *name = c->argv[c->script];
  int is_stdin = strcmp(name, "-") == 0 && strcmp(c->argv[c->script - 1], "--") != 0;
  if (luaL_loadfile(L, is_stdin ? NULL : name) != LUA_OK) return tell_load_error(L);
  return call_told(L, push_arguments(L), 0);
}

static int run_stdin(lua_State *L) {
  if (luaL_loadfile(L, NULL) != LUA_OK) return tell_load_error(L);
  return call_told(L, 0, 0);
}

/* Runs what was typed. Ctrl-C ends that alone. */
static int run_typed(lua_State *L, int n_arguments) {
  moons__signals_begin_typed();
  int status = call_told(L, n_arguments, LUA_MULTRET);
  moons__signals_end_typed(L);
  return status;
}

/* The variable is that of lua, which has it from 5.5 on. */
static int run_prompt(lua_State *L, const command *c) {
  const char *library = c->ignores_environment ? NULL : getenv("LUA_READLINELIB");
  atomic_store(&is_at_prompt, 1);
  moons__prompt_run(L, run_typed, library);
  atomic_store(&is_at_prompt, 0);
  return 1;
}

/* {== The state =============================================================================== */

static void print_version(void) {
  printf("Moons %s  on  %s\n", moons_version(), LUA_COPYRIGHT);
  fflush(stdout);
}

#if MOONS_STORE
/* `require "parallel.store"`; upvalues: this process's share of calls, and the number of shares. */
static int open_store(lua_State *L) {
  luaopen_parallel_store(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setfield(L, -2, "shard");
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_setfield(L, -2, "n_shards");
  return 1;
}

static void preload_store(lua_State *L, const command *c) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  for (int i = 0; i < 2; i++)
    if (c->n_shards > 0)
      lua_pushinteger(L, i == 0 ? c->shard : c->n_shards);
    else
      lua_pushnil(L);
  lua_pushcclosure(L, open_store, 2);
  lua_setfield(L, -2, "parallel.store");
  lua_pop(L, 1);
}
#endif

/* All shards draw the same settings, and the same seeds. */
static void seed_alike(lua_State *L) {
  lua_getglobal(L, LUA_MATHLIBNAME);
  lua_getfield(L, -1, "randomseed");
  lua_pushinteger(L, 1);
  lua_call(L, 1, 0);
  lua_pop(L, 1);
}

static void open_module(lua_State *L, const command *c) {
  luaL_openlibs(L);
  if (c->n_shards > 0) seed_alike(L);
  open_programs(L);
  lua_getglobal(L, LUA_OSLIBNAME);
  lua_pushcfunction(L, call_exit);
  lua_setfield(L, -2, "exit");
  lua_pop(L, 1);
#if MOONS_STORE
  preload_store(L, c);
#endif
  int error = moons_open(L, runtime, NULL);
  if (error) luaL_error(L, "%s", moons_error_text(error));
  lua_getglobal(L, "require");
  lua_pushliteral(L, "parallel");
  lua_call(L, 1, 1);
  lua_setglobal(L, "parallel");
}

static int run_all(lua_State *L, command *c) {
  set_arg(L, c);
  if (!c->ignores_environment && run_environment(L) != LUA_OK) return 0;
  if (run_options(L, c) != LUA_OK) return 0;
  if (c->script < c->argc && run_script(L, c) != LUA_OK) return 0;
  if (c->is_interactive) return run_prompt(L, c);
  if (c->script < c->argc || c->executes || c->shows_version) return 1;
  if (!isatty(STDIN_FILENO)) return run_stdin(L) == LUA_OK;
  print_version();
  return run_prompt(L, c);
}

/* Whether no prompt comes: there, Ctrl-C ends a call and not the process, so that it must be possible to give it up. */
static int is_batch(const command *c) {
  int has_work = c->script < c->argc || c->executes || c->shows_version;
  return !c->is_interactive && (has_work || !isatty(STDIN_FILENO));
}

/* The script's thread runs short calls itself where its stack, which may be as full of C functions as Lua lets a state have, has
** room for them. */
static void lend_thread(const command *c) {
  struct rlimit limit;
  if (!is_batch(c) || getrlimit(RLIMIT_STACK, &limit) != 0) return;
  if (limit.rlim_cur >= 2 * MOONS_STACK_RESERVE_BYTES) moons__runtime_lend(runtime);
}

/* A share of calls is that of maps with a store: without one, each process has made all of them. */
static void tell_of_unused_shard(lua_State *L, const command *c) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (c->n_shards > 0 && lua_getfield(L, -1, "parallel.store") == LUA_TNIL)
    complain("--shard has shared nothing out: no map has had the option 'store', all calls were "
             "made here");
  lua_settop(L, 1);
}

/* The protected part of main. Argument: the command. Result: whether all went well. */
static int protected_main(lua_State *L) {
  command *c = lua_touserdata(L, 1);
  luaL_checkversion(L);
  if (c->ignores_environment) {
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  }
  open_module(L, c);
  if (c->warns) lua_warning(L, "@on", 0);
  int succeeded = run_all(L, c);
  tell_of_unused_shard(L, c);
  lua_pushboolean(L, succeeded);
  return 1;
}

/* The lua_Alloc of the script's state. */
static void *allocate(void *data, void *block, size_t old_bytes, size_t new_bytes) {
  (void)data;
  return moons__block_resize(block, block != NULL ? old_bytes : 0,
                             new_bytes); /* else it is a type */
}

/* What luaL_newstate has made by now are small blocks. */
static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  if (L != NULL) lua_setallocf(L, allocate, NULL);
  return L;
}

static int run_state(command *c) {
  lua_State *L = new_state();
  if (L == NULL) {
    complain("cannot create state: not enough memory");
    return 0;
  }
  moons__signals_tell(L);
  lua_pushcfunction(L, protected_main);
  lua_pushlightuserdata(L, c);
  int status = lua_pcall(L, 1, 1, 0);
  moons__keyboard_close(); /* where an error has left it open */
  atomic_store(&is_at_prompt, 0);
  if (status != LUA_OK) complain(lua_tostring(L, -1));
  int succeeded = status == LUA_OK && lua_toboolean(L, -1);
  moons__signals_tell(NULL);
  lua_close(L);
  return succeeded;
}

/* What an option wants; NULL where it takes no value or is unknown. */
static const char *wanted_by(const char *option) {
  if (is_long(option, TRACE)) return "the name of a file to write";
  if (is_long(option, SHARD)) return "a share of the calls, such as 1/4";
  if (is_long(option, LAUNCH)) return "a command with {host} and {moons} in it";
  switch (option[1]) {
  case 'e': return "a string to execute";
  case 'l': return "the name of a module, or 'g=name'";
  case 'j': return "the number of workers, from 1 to " TEXT_OF(MOONS_MAX_WORKERS);
  case 'b': return "a backend, 'threads', 'processes', 'inline' or 'mpi'";
  case 'H':
    return "hosts, such as node1:16,ann@node2, a file of them, such as @hosts.txt, or 'slurm'";
  default: return NULL;
  }
}

/* What stands where the value of the option at argv[i] should; NULL: nothing. */
static const char *value_of_refused(const command *c, int i, size_t n_name) {
  const char *option = c->argv[i], *rest = option + n_name, *next = c->argv[i + 1];
  if (option[1] != '-') return *rest != '\0' ? rest : next;
  const char *value = *rest == '=' ? rest + 1 : next;
  return value != NULL && value[0] != '\0' && (*rest == '=' || value[0] != '-') ? value : NULL;
}

/* The option at argv[i] is unknown, or its value is missing or wrong. */
static int refuse_option(const command *c, int i) {
  const char *option = c->argv[i], *wanted = wanted_by(option);
  size_t n_name = option[1] == '-' ? strcspn(option, "=") : 2;
  const char *value = wanted == NULL ? NULL : value_of_refused(c, i, n_name);
  if (wanted == NULL)
    fprintf(stderr, "%s: unknown option '%s'\n", program_name, option);
  else if (value == NULL)
    fprintf(stderr, "%s: %.*s wants %s, and nothing follows it\n", program_name, (int)n_name,
            option, wanted);
  else
    fprintf(stderr, "%s: %.*s wants %s, not '%s'%s%s\n", program_name, (int)n_name, option, wanted,
            value, c->why[0] != '\0' ? ": " : "", c->why);
  if (wanted == NULL || value == NULL) fprintf(stderr, USAGE, program_name);
  return EXIT_FAILURE;
}

/* What the trace calls this process. */
static const char *traced_name(const command *c) {
  return c->script < c->argc ? c->argv[c->script] : "moons";
}

static int refuse_trace(const command *c, const char *why) {
  fprintf(stderr, "%s: --trace cannot write '%s': %s\n", program_name, c->trace, why);
  return EXIT_FAILURE;
}

static int refuse_runtime(const command *c, int error, const moons__shortage *shortage) {
  char text[MOONS__SHORTAGE_BYTES];
  const char *why = moons_error_text(error);
  if (error == MOONS_ETHREAD) why = moons__shortage_text(shortage, text);
  fprintf(stderr, "%s: cannot start the workers on backend '%s': %s\n", program_name, c->backend,
          why);
  return EXIT_FAILURE;
}

/* moons --serve: this process is a worker of another one. */
static int serve(int argc, char **argv) {
  static const char NO_USE[] =
      "is how the backend 'processes' starts its workers; it is of no other use";
  moons_options options;
  moons_options_init(&options);
  options.stop_signal = SIGURG;
  options.program = moons__machine_self();
  int status = moons_worker_main(argc, argv, &options, NULL);
  if (status >= 0) return status;
  fprintf(stderr, "%s: --serve %s\n", program_name, NO_USE);
  return EXIT_FAILURE;
}

/* Where stdin, stdout or stderr is closed, the next file that is opened would get its number, a pipe of the command's own
** say, and what the script prints would go there. What is put in its place refuses to be read or written as it did. */
static void keep_standard_numbers(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv) {
  command c = {.argc = argc, .argv = argv, .backend = "threads"};
  keep_standard_numbers();
  if (argc > 0 && argv[0][0] != '\0') program_name = argv[0];
  if (argc > 1 && strcmp(argv[1], "--serve") == 0) return serve(argc, argv);
  moons_options_init(&c.options);
  c.options.stop_signal = SIGURG;
  c.options.max_lost = UINT_MAX; /* of the script's own calls */
  c.options.program = moons__machine_self();
  int bad = read_arguments(&c);
  if (bad > 0) return refuse_option(&c, bad);
  if (c.shows_help) {
    printf(USAGE, program_name);
    return EXIT_SUCCESS;
  }
  if (c.options.backend == MOONS_MPI) {
    int status = moons__ranks_enter(&world, program_name, !c.ignores_environment);
    if (status >= 0) return status;
  } else if (c.n_shards == 0) {
    moons__ranks_warn(program_name);
  }
  if (c.shows_version) print_version();
  const char *why = NULL;
  if (c.trace != NULL) why = moons__trace_open(&trace, c.trace, traced_name(&c));
  if (why != NULL) return end_process(refuse_trace(&c, why));
  moons__shortage shortage;
  moons__surroundings around = {.trace = trace, .world = world};
  int error = moons__runtime_make(&runtime, &c.options, &around, &shortage);
  if (error) return end_process(refuse_runtime(&c, error, &shortage));
  programs.children =
      moons__children_share(moons__runtime_children(runtime)); /* stays to the end */
  const moons__roster *roster = moons__runtime_share_roster(runtime);
  moons__running_open(program_name, roster);
  if (world != NULL) moons__signals_enter_mpi();
  moons__signals_open(&programs, trace);
  moons__crash_open(program_name, roster);
  lend_thread(&c);
  int succeeded = run_state(&c);
  moons_runtime_free(runtime);
  moons__children_close(programs.children, &programs); /* of calls that were given up */
  int signal = moons__signals_taken();
  return end_process(signal != 0 ? 128 + signal : succeeded ? EXIT_SUCCESS : EXIT_FAILURE);
}
