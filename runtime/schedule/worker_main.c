/*
** The main of a worker process, and of the agent of a host. What they are like comes from who has started them, and from nowhere
** else, the environment least of all: a worker that started workers, as that may say, would do so without end.
*/
#include <string.h>

#include "backend/agent.h"
#include "backend/serve.h"
#include "moons.h"
#include "schedule/runtime.h"
#include "sizes.h"
#include "system/machine.h"
#include "system/process.h"

/* The backend "processes" starts its workers so: the number is how deep it is in others. */
static int is_worker(int argc, char **argv) {
  return argc == 3 && strcmp(argv[1], "--serve") == 0 && strcmp(argv[2], "0") == 0 &&
         moons__process_is_started();
}

/* The backend "hosts" launches its agents so. */
static int is_agent(int argc, char **argv) {
  return argc == 3 && strcmp(argv[1], "--serve") == 0 && strcmp(argv[2], "agent") == 0;
}

static void take_config(moons_options *options, const moons__frame_config *config) {
  options->n_workers = config->n_workers;
  options->states_bytes = (size_t)config->states_bytes;
  options->images_bytes = (size_t)config->images_bytes;
}

static int serve(moons__server *server, const moons__frame_config *config, moons_options *options) {
  moons_runtime *r;
  moons__shortage shortage;
  moons__surroundings around = {.trace = moons__server_trace(server),
                                .write = moons__server_write,
                                .write_data = server,
                                .is_served = 1,
                                .n_cores = config->n_cores};
  options->backend = MOONS_LENT;
  options->wanted = moons__server_want;
  options->wanted_data = server;
  if (options->stack_bytes == 0) options->stack_bytes = MOONS_STACK_BYTES;
  take_config(options, config);
  if (moons__runtime_make(&r, options, &around, &shortage)) return 1;
  int error = moons__runtime_serve(r, server);
  moons_runtime_free(r);
  return error != 0;
}

/* What calls print goes to the process that has started this one. */
static int copy_terms(moons__terms **terms, const moons_terms *given) {
  int error = moons__terms_new(terms, NULL, given);
  if (*terms != NULL) (*terms)->given.write = NULL;
  return error;
}

static int represent(moons_options *options) {
  moons__frame_config config;
  moons_runtime *r;
  moons__shortage shortage;
  moons__agent *agent = moons__agent_open(&config);
  if (agent == NULL) return 1;
  moons__surroundings around = {.trace = moons__agent_trace(agent),
                                .write = moons__agent_write,
                                .write_data = agent,
                                .n_cores = config.n_workers};
  options->backend = MOONS_PROCESSES;
  if (options->program == NULL) options->program = moons__machine_self();
  take_config(options, &config);
  if (moons__runtime_make(&r, options, &around, &shortage)) return 1;
  int error = moons__runtime_represent(r, agent);
  moons_runtime_free(r);
  moons__agent_close(agent);
  return error != 0;
}

int moons_worker_main(int argc, char **argv, const moons_options *options,
                      const moons_terms *terms) {
  moons__frame_config config;
  moons__terms *own_terms;
  moons_options own;
  if (!is_worker(argc, argv) && !is_agent(argc, argv)) return -1;
  if (moons__options_copy(&own, options)) return 1;
  if (is_agent(argc, argv)) return represent(&own);
  if (copy_terms(&own_terms, terms)) return 1;
  moons__server *server = moons__server_open(&config, own_terms);
  int status = server != NULL ? serve(server, &config, &own) : 1;
  moons__terms_release(own_terms);
  return status;
}
