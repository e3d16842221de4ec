/*
** Groups of processes that stop and go on with this process: workers are in none of the terminal's, so that Ctrl-Z does not reach
** them by itself.
*/
#ifndef MOONS_SYSTEM_GROUPS_H
#define MOONS_SYSTEM_GROUPS_H

#include <sys/types.h>

/* Note the leader of a group that was started, and that it is about to be waited for. Of more than MOONS_MAX_WORKERS at a time the
** others are not noted. Any thread. */
void moons__groups_add(pid_t leader);
void moons__groups_remove(pid_t leader);

/* Sends all of them a signal. Any thread, also in a handler of a signal. */
void moons__groups_signal(int signal);

#endif
