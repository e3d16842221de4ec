/*
** Names of functions, as their source has them: Lua itself knows no more than where a function was written.
*/
#ifndef MOONS_SYSTEM_SOURCE_H
#define MOONS_SYSTEM_SOURCE_H

#include "sizes.h"

enum { MOONS__FUNCTION_NAME_BYTES = 64, MOONS__FUNCTION_TITLE_BYTES = 64 + MOONS_POSITION_BYTES };

/* Finds the name of the function that was written at a position, "script.lua:3", in that line of that file: of "function
** NAME(" or "NAME = function". Returns 0, and an empty name, where there is none, or the line has several functions. Reads the
** file: seldom. Any thread. */
int moons__source_name(const char *position, char name[MOONS__FUNCTION_NAME_BYTES]);

/* What to call that function: "name (script.lua:3)" or "script.lua:3". Returns `title`. */
const char *moons__source_title(const char *position, char title[MOONS__FUNCTION_TITLE_BYTES]);

#endif
