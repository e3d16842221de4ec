/*
** Whether the process has been forked. A child has the memory of its parent but not the threads, so what waits for them,
** or for a lock that one of them had, waits for ever. The system tells of forks by pthread_atfork, which is asked for
** once in a process; the one number that is kept of it is all that the process shares.
*/
#ifndef MOONS_SYSTEM_FORK_H
#define MOONS_SYSTEM_FORK_H

/* A number that changes in each child. Only forks after the first call are noticed. Any thread. */
unsigned moons__fork_number(void);

#endif
