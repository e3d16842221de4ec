/* rules.c: a C program that calls functions of a script, with plain C values and no Lua state.
**
**   cc rules.c -o rules $(pkg-config --cflags --libs moons)
*/
#include "moons.h"
#include <stdio.h>
#include <string.h>

static const char SCRIPT[] = "local rate = 0.25\n"
                             "function total(order)\n"
                             "  local sum = 0\n"
                             "  for _, price in ipairs(order.prices) do sum = sum + price end\n"
                             "  assert(sum > 0, order.customer .. ' has ordered nothing')\n"
                             "  return {sum = sum, tax = rate * sum}\n"
                             "end\n";

/* Prints what the script makes of an order. */
static int print_total(moons_program *rules, const char *customer, const double *prices, size_t n) {
  moons_value fields[] = {moons_string("customer"), moons_string(customer), moons_string("prices"),
                          moons_floats(prices, n)};
  moons_value order = moons_table(fields, 2);
  moons_call *call;
  int error = moons_run(&call, rules, "total", &order, 1);
  const moons_value *total = moons_results(call, NULL);
  if (error == 0)
    printf("%s: %g and tax of %g\n", customer, moons_to_number(moons_field(total, "sum"), 0),
           moons_to_number(moons_field(total, "tax"), 0));
  else if (error == MOONS_ESCRIPT)
    printf("%s\n", moons_call_error(call)->message);
  else
    fprintf(stderr, "rules: %s\n", moons_error_text(error));
  moons_call_free(call);
  return error != 0 && error != MOONS_ESCRIPT;
}

/* The script may take a tenth of a second and 10 MB for an order. */
static int load_rules(moons_program **rules, moons_runtime *runtime) {
  moons_terms terms;
  moons_terms_init(&terms);
  terms.timeout_ns = 100000000;
  terms.memory_bytes = 10000000;
  int error = moons_program_load(rules, runtime, SCRIPT, strlen(SCRIPT), "=rules", &terms);
  if (error == MOONS_ESCRIPT)
    fprintf(stderr, "rules: %s\n", moons_program_error(*rules)->message);
  else if (error)
    fprintf(stderr, "rules: %s\n", moons_error_text(error));
  return error;
}

int main(void) {
  static const double PRICES[] = {10, 20.5, 1.5};
  moons_runtime *runtime = NULL;
  moons_program *rules = NULL;
  int failed = moons_runtime_new(&runtime, NULL) != 0 || load_rules(&rules, runtime) != 0;
  if (!failed) failed = print_total(rules, "Ada", PRICES, 3);
  if (!failed) failed = print_total(rules, "Bob", NULL, 0);
  moons_program_free(rules);
  moons_runtime_free(runtime);
  return failed;
}
