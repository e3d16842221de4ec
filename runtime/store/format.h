/*
** Values as bytes that are the same for equal values, in every state and on every machine: what keys of calls are made of, and how
** values are kept. They are in files, so they never change their meaning: a change would need another format number in
** lua/parallel/experiment/ledger.lua, or all calls would be made again in silence.
**
** A value is a tag and what belongs to it. A table or a function is mentioned there, and described after the values that are being
** written, in the order in which they were met: so nothing is deep. Integers are signed 64 bits, floats IEEE 754, both with the
** highest byte first; counts and lengths have 7 bits a byte, the lowest first, and the high bit set where more follow.
**
** Descriptions of plain tables: CONTENT, how many fields from 1 on, these, how many others, their keys and values in order (keys.h).
** All others are Lua's affair (canonical.lua), and cannot be read back.
*/
#ifndef MOONS_STORE_FORMAT_H
#define MOONS_STORE_FORMAT_H

enum {
  MOONS__STORED_NIL = 'n',
  MOONS__STORED_FALSE = 'f',
  MOONS__STORED_TRUE = 't',
  MOONS__STORED_INTEGER = 'i',
  MOONS__STORED_FLOAT = 'd',
  MOONS__STORED_STRING = 's', /* length, bytes */
  MOONS__STORED_OBJECT = 'o', /* one that was not met before: it has the next number */
  MOONS__STORED_MET = 'r',    /* number, from 1: what was met before */
  MOONS__STORED_ARRAY =
      'a', /* has a number too; kind, type, shape, bytes, each a string or integer */
  MOONS__STORED_VARIABLE =
      'u', /* an upvalue that was not met before, which has the next number; its value */
  MOONS__STORED_NAME = '=', /* length, name: it is the same everywhere */
  MOONS__STORED_CONTENT = 'T'
};

#endif
