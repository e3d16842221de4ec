#ifndef MOONS_WIRE_FUZZ_H
#define MOONS_WIRE_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* The entry that libFuzzer calls. Returns 0; ends the process where something is wrong. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

#endif
