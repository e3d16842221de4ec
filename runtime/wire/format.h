/*
** The bytes of a message. Private to the wire; numbers in the byte order of the machine, for both
** ends are one process.
**
** message  = lists:byte n_values:varint place* value* later* END
** place    = PLACE where:byte name:value value, put there at once
** later    = CONTENT <content of the next deferred object> | the same as place, but put there at the end
** value    = tag, and what the list below says
** content  = of a table: flags:byte n_elements:u32, elements, rest; of a function: for each upvalue
**            UPVALUE value, or JOIN offset
** record   = flags:byte, for each key of the shape a value, or NIL where the table has no such key;
**            rest, always with END
** rest     = pairs of values up to END where flags say that there are any, a metatable where they
**            say so, a class number where they say so
**
** Objects are numbered by the offset of their tag from the message's first byte. An object that is met again has SHARED
** set in its tag, and stands there as REF offset.
**
** `lists` is 0 where nothing is referred to, deferred or set at the end, and there are no shapes;
** otherwise it is one more than the number of keys that all shapes have.
*/
#ifndef MOONS_WIRE_FORMAT_H
#define MOONS_WIRE_FORMAT_H

enum wire_tag {
  WIRE_NIL,
  WIRE_FALSE,
  WIRE_TRUE,
  WIRE_INT8,              /* 1 byte, signed */
  WIRE_INT32,             /* 4 bytes */
  WIRE_INT64,             /* 8 bytes */
  WIRE_FLOAT,             /* 8 bytes */
  WIRE_STRING8,           /* length:byte, bytes */
  WIRE_STRING,            /* length:varint, bytes */
  WIRE_INTEGERS,          /* elements only: count:u32, 8 bytes each */
  WIRE_FLOATS,            /* elements only: count:u32, 8 bytes each */
  WIRE_TABLE,             /* one without elements: flags:byte, rest */
  WIRE_ARRAY,             /* one with elements: content */
  WIRE_RECORD,            /* one with the keys of a shape: number:byte, record */
  WIRE_SHAPE,             /* the next shape: n_keys:byte, strings; then a record of it */
  WIRE_DEFERRED,          /* a table whose content comes later */
  WIRE_FUNCTION,          /* n_upvalues:byte, length:u64, dump, content */
  WIRE_DEFERRED_FUNCTION, /* the same, but its content comes later */
  WIRE_UPVALUE,           /* value: an upvalue met for the first time */
  WIRE_JOIN,              /* offset:varint of the upvalue that this one is too */
  WIRE_REF,               /* offset:varint of the object that this is */
  WIRE_GLOBALS,           /* the table of globals */
  WIRE_NAMED,             /* length:varint, path (names.h) */
  WIRE_CLASS,             /* number:varint of a class that both sides know */
  WIRE_MARSHAL, /* n_values:varint, a function and its arguments; later*, END: then it is called */
  WIRE_NUMBERS, /* an array: its place in the list of blocks beside the message:varint, the block's id:8 bytes,
                   type:byte, flags:byte, rows:varint, columns:varint */
  WIRE_ROWS,    /* value: the array that these are the rows of */
  WIRE_POINTER, /* a light userdata: its bytes */
  WIRE_CONTENT,
  WIRE_PLACE,
  WIRE_END,

  WIRE_SHARED = 0x80 /* a bit, set in the tag of an object that is referred to */
};

/* Where a value comes to lie that is neither argument nor result; `name` is nil where none is given. */
enum wire_place {
  WIRE_PLACE_GLOBAL,            /* name: of a global */
  WIRE_PLACE_GLOBALS_METATABLE, /* a table, or nil */
  WIRE_PLACE_MODULE,            /* name: the module's in package.loaded */
  WIRE_PLACE_MODULE_FIELDS, /* name: the module, which is written in C; a table of fields that it gets */
  WIRE_PLACE_LIBRARY_FIELDS,  /* name: a standard library; a table of fields that it gets */
  WIRE_PLACE_LIBRARY_REMOVED, /* name: a standard library; a list of fields that it loses */
  WIRE_PLACE_TYPE_METATABLE,  /* name: the number of a basic type; the metatable of its values */
  WIRE_PLACE_PRELOAD,         /* a table of fields that package.preload gets */
  WIRE_PLACE_HOST,            /* name: of a global of the host's, which must be there; nil */
  WIRE_PLACE_SEARCHERS, /* the list of package.searchers; a number stands for what a new state has there */
  WIRE_PLACE_ABSENT, /* name: of a global that the script has not; nil */
  WIRE_N_PLACES
};

/* The flags of an array. */
enum {
  WIRE_IS_MATRIX = 1,
  WIRE_IS_OWN = 2 /* of whoever gets it */
};

/* The flags of a table. */
enum {
  WIRE_HASH_MASK = 0x1F, /* 0: no pairs; n: at most 2^(n-1) pairs */
  WIRE_HAS_METATABLE = 0x20,
  WIRE_LATE_METATABLE = 0x40, /* it has __gc: set it again when all is there */
  WIRE_HAS_CLASS = 0x80
};

#endif
