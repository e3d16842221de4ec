/*
** How values that loaded modules hold travel. What standard libraries, modules in C and the host hold goes by name.
** A module written in Lua goes by value, with its set-up, and only there: all that a message shares with it is one
** again on the other side. Other messages mean its functions and classes by name, and have the set-up made anew where
** it lacks the module; its tables of data they hold by value, as they are when the message is made. What comes
** home is the call's own, by value, except for classes of modules that only the call has loaded.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "state/fields.h"
#include "state/pristine.h"
#include "wire/encode.h"

typedef moons__encoder encoder;

/* A key in the registry: the names of modules that were warned about. */
static const char WARNED[] = "moons.modules warned about";

/* Names of standard libraries. */

void moons__wire_note_dynamic(encoder *e) {
  if (e->is_foreign)
    e->dynamic_module = e->owner;
  else if (!e->dynamic)
    e->dynamic = 1;
}

static int is_named(const char *name, size_t n_bytes, const char *wanted) {
  return n_bytes == strlen(wanted) && memcmp(name, wanted, n_bytes) == 0;
}

/* Whether a function that uses this global can get at any module. */
static int reaches_modules(const char *name, size_t n_bytes) {
  return is_named(name, n_bytes, LUA_LOADLIBNAME) ||
         moons__libraries_reaches_globals(name, n_bytes);
}

void moons__wire_note_library(encoder *e, const char *name, size_t n_bytes) {
  moons__libraries named = moons__libraries_of_global(name, n_bytes);
  if (named != 0) e->needs |= named | MOONS__LIBRARIES_LEAST;
  if (moons__libraries_reaches_globals(name, n_bytes)) moons__wire_note_dynamic(e);
  if (reaches_modules(name, n_bytes) && !e->is_foreign && !e->requires_any) e->requires_any = 1;
}

/* By name. */

/* Whether the name is that of `math` itself, or of one of its functions that draw or seed. */
static int may_draw(const moons__name *name) {
  if (strcmp(name->path, LUA_MATHLIBNAME) != 0) return 0;
  return name->is_module || strstr(name->path + sizeof LUA_MATHLIBNAME, "random") != NULL;
}

/* The module that is held or called `require` and is no name in a function's code may load any other. */
static void note_standard(encoder *e, const moons__name *name) {
  const char *global = moons__names_global(name);
  if (strcmp(global, LUA_OSLIBNAME) == 0)
    e->needs |= MOONS__LIBRARIES_CLOCK; /* it may be os.clock */
  if (may_draw(name)) e->needs |= MOONS__LIBRARIES_RANDOM;
  int is_foreign = e->is_foreign;
  e->is_foreign = e->owner != 0;
  moons__wire_note_library(e, global, strlen(global));
  e->is_foreign = is_foreign;
  if (strcmp(global, "require") == 0 && !e->requires_any) e->requires_any = 1;
}

static int put_path(encoder *e, const moons__name *name) {
  put_byte(e, WIRE_NAMED);
  put_varint(e, name->n_bytes);
  put_bytes(e, name->path, name->n_bytes);
  return 1;
}

/* A function that may reach any global will hardly use the module: it is all there where it is named. */
static int put_name(encoder *e, const moons__name *name, moons__module_kind kind) {
  if (kind == MOONS__MODULE_STANDARD)
    note_standard(e, name);
  else
    e->needs |= MOONS__LIBRARIES_ALL;
  if (e->dynamic < 2 && moons__names_is_parallel(name->path)) e->needs |= MOONS__LIBRARIES_PARALLEL;
  return put_path(e, name);
}

static moons__module *module_of(const encoder *e, const moons__name *name) {
  return moons__names_module(e->names, name->module);
}

/* Modules in the set-up. */

/* Pushes the module, as it is in package.loaded. */
static void push_module(const encoder *e, const moons__module *module) {
  moons__libraries_push_loaded(e->L, moons__names_of_module(e->names, module));
}

static void queue(encoder *e, const moons__module *module) {
  if (e->sent_index == 0) return; /* a trial */
  lua_pushstring(e->L, moons__names_of_module(e->names, module));
  e->n_modules = moons__wire_queue(e, MOONS__SLOT_MODULES, e->n_modules);
}

static void refresh(encoder *e) {
  if (!e->names_refreshed) moons__names_refresh(e->names, e->L);
  e->names_refreshed = 1;
}

/* Whether a module goes along where a function requires it. C libraries are then loaded by the call. */
static int goes_along(const moons__module *module) {
  return module->kind == MOONS__MODULE_LUA && !module->goes_by_name;
}

void moons__wire_require(encoder *e, const char *name, size_t n_bytes) {
  if (!e->is_setup || e->names == NULL) return;
  refresh(e);
  const moons__module *module =
      moons__names_module(e->names, moons__names_number(e->names, name, n_bytes) - 1);
  if (module != NULL && goes_along(module)) queue(e, module);
}

void moons__wire_queue_all_modules(encoder *e) {
  const moons__module *module;
  e->requires_any = 2;
  if (e->names == NULL) return;
  refresh(e);
  for (size_t n = 0; (module = moons__names_module(e->names, n)) != NULL; n++)
    if (goes_along(module)) queue(e, module);
}

/* A module that goes by name is loaded when its name is met, and requires others then, which must be there. So where
** there is one, all that can go by value come first, and among them those that hold nothing of one that does not. */
int moons__wire_queue_first(encoder *e) {
  const moons__module *module;
  if (e->names == NULL || e->names->n_by_name == 0) return 0;
  refresh(e);
  for (size_t n = 0; (module = moons__names_module(e->names, n)) != NULL; n++) {
    if (!goes_along(module)) continue;
    push_module(e, module);
    int holds_others = 0;
    moons__wire_try(e, &holds_others);
    moons__names_module(e->names, n)->holds_others = holds_others;
    lua_pop(e->L, 1);
  }
  for (int holds_others = 0; holds_others <= 1; holds_others++)
    for (size_t n = 0; (module = moons__names_module(e->names, n)) != NULL; n++)
      if (goes_along(module) && module->holds_others == holds_others) queue(e, module);
  return 1;
}

void moons__wire_queue_module(encoder *e, int index) {
  moons__name name;
  refresh(e);
  if (moons__names_find(e->names, e->L, index, &name) && name.is_module &&
      goes_along(module_of(e, &name)))
    queue(e, module_of(e, &name));
}

/* Whether a library's field is not its own in C. */
static int is_given(lua_State *L, void *data) {
  (void)data;
  return !lua_iscfunction(L, -1) && !lua_isuserdata(L, -1);
}

/* Marks the module on top as sent. */
static void mark_sent(encoder *e) {
  lua_State *L = e->L;
  if (!lua_istable(L, -1) && !lua_isfunction(L, -1)) return; /* such values are nobody's */
  lua_pushvalue(L, -1);
  lua_pushboolean(L, 1);
  lua_rawset(L, e->sent_index);
}

/* What the script has set in a library goes along; the library itself, which may be a single function, is required there. */
static void library_put(encoder *e, const moons__module *module) {
  lua_State *L = e->L;
  int n_given = 0, library = lua_gettop(L);
  lua_newtable(L);
  if (lua_istable(L, library)) n_given = moons__fields_set(L, library, is_given, NULL);
  lua_remove(L, library);
  if (n_given == 0 || module->goes_by_name) {
    lua_pop(L, 2);
    return;
  }
  lua_pushvalue(L, -1);
  moons__wire_anchor(e);
  moons__wire_place(e, WIRE_PLACE_MODULE_FIELDS, "module");
}

void moons__wire_module(encoder *e) {
  lua_State *L = e->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_rawgeti(L, slot(e, MOONS__SLOT_MODULES), ++e->n_modules_done);
  const char *name = lua_tostring(L, -1);
  e->owner = moons__names_number(e->names, name, strlen(name));
  const moons__module *module = moons__names_module(e->names, e->owner - 1);
  moons__libraries_push_loaded(L, name);
  mark_sent(e);
  if (module != NULL && module->kind == MOONS__MODULE_LIBRARY)
    library_put(e, module);
  else
    moons__wire_place(e, WIRE_PLACE_MODULE, "module");
  e->owner = 0;
}

/* Which way. */

/* Whether the function at `index` is in the file of the module that holds it, as far as that can be known. */
static int is_of_file(encoder *e, const moons__module *module, int index) {
  lua_State *L = e->L;
  int top = lua_gettop(L), is_of = 1;
  luaL_checkstack(L, 8, NULL);
  if (!moons__pristine_push_present(L, LUA_LOADLIBNAME)) return 1;
  lua_getfield(L, top + 1, "path");
  if (moons__pristine_push_library(L, LUA_LOADLIBNAME) &&
      lua_getfield(L, -1, "searchpath") == LUA_TFUNCTION) {
    lua_Debug info;
    lua_pushstring(L, moons__names_of_module(e->names, module));
    lua_pushvalue(L, top + 2);
    int status = lua_pcall(L, 2, 1, 0);
    lua_pushvalue(L, index);
    lua_getinfo(L, ">S", &info);
    if (status == LUA_OK && lua_type(L, -1) == LUA_TSTRING && info.source[0] == '@')
      is_of = strcmp(info.source + 1, lua_tostring(L, -1)) == 0;
  }
  lua_settop(L, top);
  return is_of;
}

/* In a module that goes by name, data that it holds is as well sent as it is now, and so are functions that the
** script has given it. */
static int put_by_name(encoder *e, const moons__name *name, int index, int as_metatable) {
  const moons__module *module = module_of(e, name);
  int is_named = name->is_module || as_metatable || !lua_istable(e->L, index);
  if (is_named && !name->is_module && lua_isfunction(e->L, index) && !lua_iscfunction(e->L, index))
    is_named = is_of_file(e, module, index);
  if (!is_named) return 0;
  e->holds_by_name = 1;
  return put_name(e, name, module->kind);
}

/* In the set-up, a module in Lua goes by value. */
static int setup_put(encoder *e, const moons__name *name, int index, int as_metatable) {
  const moons__module *module = module_of(e, name);
  if (module->goes_by_name) return put_by_name(e, name, index, as_metatable);
  if (name->is_module) queue(e, module);
  e->owner = name->module + 1;
  return 0;
}

/* Whether the other side has got the module. */
static int is_sent(encoder *e, const moons__module *module) {
  luaL_checkstack(e->L, 8, NULL);
  push_module(e, module);
  int is_known = lua_rawget(e->L, e->sent_index) != LUA_TNIL;
  lua_pop(e->L, 1);
  return is_known;
}

/* Makes sure that the other side gets the module before the message, where it can. The trial may look at all modules again. */
static int want(encoder *e, const moons__module *module) {
  lua_State *L = e->L;
  if (!e->may_want) return 0;
  push_module(e, module);
  int can_be_sent = moons__wire_try(e, NULL);
  if (can_be_sent) {
    lua_pushvalue(L, -1);
    lua_pushinteger(L, 1);
    lua_rawset(L, e->sent_index);
    e->wants_modules = 1;
  }
  lua_pop(L, 1);
  return can_be_sent;
}

/* In another message that goes to a call. Data of the module goes by value; its functions and classes by name, so that they
** are those of the module there. */
static int argument_put(encoder *e, const moons__name *name, int index, int as_metatable) {
  const moons__module *module = module_of(e, name);
  if (!as_metatable && !lua_isfunction(e->L, index)) return 0;
  if (module->goes_by_name) return put_by_name(e, name, index, as_metatable);
  if (is_sent(e, module)) return put_path(e, name);
  return want(e, module) && moons__wire_named(e, index, as_metatable); /* as it is known now */
}

/* In a message that comes home: what came with the set-up is the call's own by now. */
static int result_put(encoder *e, const moons__name *name, int index, int as_metatable) {
  const moons__module *module = module_of(e, name);
  int is_in_c = lua_iscfunction(e->L, index) || lua_isuserdata(e->L, index);
  if (module->came_by_value || !(as_metatable || is_in_c)) return 0;
  return put_name(e, name, module->kind);
}

/* What a module in Lua holds. */
static int lua_module_put(encoder *e, const moons__name *name, int index, int as_metatable) {
  if (e->is_setup) return setup_put(e, name, index, as_metatable);
  if (e->sent_index != 0) return argument_put(e, name, index, as_metatable);
  return result_put(e, name, index, as_metatable);
}

/* What a library in C holds: functions in Lua, and tables that are no classes, are not its own. */
static int library_value_put(encoder *e, const moons__name *name, int index, int as_metatable) {
  lua_State *L = e->L;
  const moons__module *module = module_of(e, name);
  int is_class = as_metatable || (lua_istable(L, index) && lua_getmetatable(L, index));
  if (is_class && !as_metatable) lua_pop(L, 1);
  int is_own = name->is_module || is_class || lua_iscfunction(L, index) || lua_isuserdata(L, index);
  if (is_own || module->goes_by_name) {
    if (e->is_setup && name->is_module) queue(e, module);
    return put_name(e, name, MOONS__MODULE_LIBRARY);
  }
  if (e->is_setup) e->owner = name->module + 1;
  return 0;
}

int moons__wire_named(encoder *e, int index, int as_metatable) {
  moons__name name;
  if (e->names == NULL) return 0;
  refresh(e);
  if (!moons__names_find(e->names, e->L, index, &name)) return 0;
  moons__module_kind kind = module_of(e, &name)->kind;
  switch (kind) {
  case MOONS__MODULE_LIBRARY: return library_value_put(e, &name, index, as_metatable);
  case MOONS__MODULE_LUA: return lua_module_put(e, &name, index, as_metatable);
  default: return put_name(e, &name, kind);
  }
}

/* What cannot go by value. */

/* Whether the module whose name is on top is mentioned for the first time. */
static int is_first(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, WARNED);
  lua_pushvalue(L, -2);
  int is_first = lua_rawget(L, -2) == LUA_TNIL;
  lua_pushvalue(L, -3);
  lua_pushboolean(L, 1);
  lua_rawset(L, -4);
  lua_pop(L, 2);
  return is_first;
}

/* Warns about a module, once. The format takes its name, and then what is on top. */
static void warn(encoder *e, const moons__module *module, const char *format) {
  lua_State *L = e->L;
  luaL_tolstring(L, -1, NULL);
  lua_pushstring(L, moons__names_of_module(e->names, module));
  if (is_first(L)) {
    lua_pushfstring(L, format, lua_tostring(L, -1), lua_tostring(L, -2));
    lua_warning(L, lua_tostring(L, -1), 0);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

/* Pushes the name of a global of the script's that was not sent; returns 0, and pushes nothing, where there is none. */
static int push_unsent_global(encoder *e) {
  lua_State *L = e->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  int globals = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, globals);) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    int is_there = lua_type(L, -1) != LUA_TSTRING || lua_rawget(L, e->sent_index) != LUA_TNIL;
    lua_pushvalue(L, globals + 1);
    is_there |= lua_rawget(L, e->pristine_index) != LUA_TNIL;
    lua_settop(L, globals + 1);
    if (is_there) continue;
    lua_remove(L, globals);
    return 1;
  }
  lua_pop(L, 1);
  return 0;
}

void moons__wire_warn_of_globals(encoder *e) {
  if (e->dynamic_module == 0 || e->dynamic) return;
  luaL_checkstack(e->L, LUA_MINSTACK, NULL);
  if (!push_unsent_global(e)) return;
  warn(e, moons__names_module(e->names, e->dynamic_module - 1),
       "parallel: the module '%s' can reach globals by names that it makes; calls have those that "
       "functions name, "
       "and not '%s'");
  lua_pop(e->L, 1);
}

int moons__wire_give_up_module(encoder *e) {
  moons__module *module = NULL;
  if (e->refused_module > 0) module = moons__names_module(e->names, e->refused_module - 1);
  if (module == NULL || module->goes_by_name) return 0;
  luaL_checkstack(e->L, LUA_MINSTACK, NULL);
  warn(e, module,
       "parallel: calls load the module '%s' anew, without what the script has set in it: %s");
  moons__names_note_by_name(e->names, e->L, module);
  lua_pop(e->L, 1);
  return 1;
}
