/*
** The rules service of examples/service as it would be without a pool: behind the same HTTP server all rules run in one Lua state, on
** the loop's thread, one after the other. The rules of each tenant have a table of globals of their own; nothing is limited.
*/
#include <cjson/cJSON.h>
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "json.h"

typedef struct service {
  uv_loop_t loop;
  uv_signal_t ends;
  http_server *server;
  lua_State *L;
} service;

/* {== JSON of Lua values ====================================================================== */

static cJSON *json_of(lua_State *L, int index);

/* Keys that are no strings are left out. */
static cJSON *object_of(lua_State *L, int index) {
  cJSON *object = cJSON_CreateObject();
  luaL_checkstack(L, 3, NULL);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
    if (lua_type(L, -2) == LUA_TSTRING)
      cJSON_AddItemToObject(object, lua_tostring(L, -2), json_of(L, lua_gettop(L)));
  return object;
}

static cJSON *array_of(lua_State *L, int index) {
  cJSON *array = cJSON_CreateArray();
  for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, index); i++) {
    lua_rawgeti(L, index, i);
    cJSON_AddItemToArray(array, json_of(L, lua_gettop(L)));
    lua_pop(L, 1);
  }
  return array;
}

static cJSON *json_of(lua_State *L, int index) {
  switch (lua_type(L, index)) {
  case LUA_TBOOLEAN: return cJSON_CreateBool(lua_toboolean(L, index));
  case LUA_TNUMBER: return cJSON_CreateNumber(lua_tonumber(L, index));
  case LUA_TSTRING: return cJSON_CreateString(lua_tostring(L, index));
  case LUA_TTABLE: return lua_rawlen(L, index) > 0 ? array_of(L, index) : object_of(L, index);
  default: return cJSON_CreateNull();
  }
}

/* {== Rules =================================================================================== */

/* The rules that are put become a table of globals, in the registry by the tenant's name. */
static int load_rules(lua_State *L, const char *name, const http_request *r) {
  int error = luaL_loadbuffer(L, r->body, r->n_bytes, "=rules");
  if (error) return error;
  lua_newtable(L);
  lua_newtable(L);
  lua_pushglobaltable(L);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_setupvalue(L, -3, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, name);
  return lua_pcall(L, 0, 0, 0);
}

/* The function and the order are at the top. Calls it in protected mode, with the order as a Lua value. */
static int call_rule(lua_State *L) {
  moons_push_value(L, lua_touserdata(L, 2));
  lua_replace(L, 2);
  lua_call(L, 1, 1);
  return 1;
}

static void post_call(service *s, http_connection *c, const char *name, const char *function,
                      const http_request *r) {
  lua_State *L = s->L;
  document *order = document_read(r->body, r->n_bytes);
  lua_pushcfunction(L, call_rule);
  lua_getfield(L, LUA_REGISTRYINDEX, name);
  if (order == NULL || !lua_istable(L, -1)) {
    http_answer(c, 400, json_error("request", "no JSON, or no such rules"));
  } else {
    lua_getfield(L, -1, function);
    lua_remove(L, -2);
    lua_pushlightuserdata(L, (void *)document_value(order));
    if (lua_pcall(L, 2, 1, 0) == LUA_OK) {
      cJSON *json = json_of(L, lua_gettop(L));
      http_answer(c, 200, cJSON_PrintUnformatted(json));
      cJSON_Delete(json);
    } else {
      http_answer(c, 422, json_error("error", lua_tostring(L, -1)));
    }
  }
  lua_settop(L, 0);
  document_free(order);
}

/* {== Requests ================================================================================ */

static void put_rules(service *s, http_connection *c, const char *name, const http_request *r) {
  int error = load_rules(s->L, name, r);
  http_answer(c, error ? 422 : 201,
              error ? json_error("load", lua_tostring(s->L, -1)) : json_write(NULL));
  lua_settop(s->L, 0);
}

static void handle(http_connection *c, const http_request *r, void *data) {
  static const char RULES[] = "/rules/";
  char name[256];
  size_t n_skipped = sizeof RULES - 1;
  if (strncmp(r->path, RULES, n_skipped) != 0 || strlen(r->path) >= sizeof name) {
    http_answer(c, 404, json_error("request", "PUT /rules/NAME, then POST /rules/NAME/FUNCTION"));
    return;
  }
  strcpy(name, r->path + n_skipped);
  char *end = strchr(name, '/');
  if (end == NULL) {
    put_rules(data, c, name, r);
  } else {
    *end = 0;
    post_call(data, c, name, end + 1, r);
  }
}

/* {== Begin and end =========================================================================== */

static void end_loop(void *data) { (void)data; }

static void drain(uv_signal_t *ends, int signal) {
  service *s = ends->data;
  (void)signal;
  uv_close((uv_handle_t *)&s->ends, NULL);
  http_close(s->server, end_loop);
}

int main(int argc, char **argv) {
  service s = {.L = luaL_newstate()};
  int port = argc > 1 ? atoi(argv[1]) : 8080;
  if (s.L == NULL) return 1;
  luaL_openlibs(s.L);
  signal(SIGPIPE, SIG_IGN);
  uv_loop_init(&s.loop);
  uv_signal_init(&s.loop, &s.ends);
  s.ends.data = &s;
  if (http_listen(&s.server, &s.loop, &port, handle, &s) != 0) return 1;
  uv_signal_start(&s.ends, drain, SIGTERM);
  printf("http://127.0.0.1:%d\n", port);
  fflush(stdout);
  uv_run(&s.loop, UV_RUN_DEFAULT);
  uv_loop_close(&s.loop);
  lua_close(s.L);
  return 0;
}
