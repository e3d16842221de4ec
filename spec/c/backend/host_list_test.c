#include "backend/host_list.h"

#include "base/allocate.h"
#include "check.h"

/* The names and numbers of a list, as text. */
static void check_list(const char *text, const char *expected) {
  char why[MOONS__LIST_WHY_BYTES], read[1000] = "";
  moons__host_list list;
  if (moons__host_list_read(&list, NULL, text, why)) FAIL(why);
  for (unsigned i = 0; i < list.n; i++) {
    size_t n = strlen(read);
    snprintf(read + n, sizeof read - n, "%s:%u ", list.hosts[i].name, list.hosts[i].n_workers);
  }
  if (strcmp(read, expected) != 0) FAIL(read);
  moons__host_list_free(&list);
  CHECK(list.n == 0 && list.hosts == NULL);
}

static void check_refused(const char *text, const char *expected) {
  char why[MOONS__LIST_WHY_BYTES];
  moons__host_list list;
  CHECK(moons__host_list_read(&list, NULL, text, why) != 0);
  CHECK(list.n == 0 && list.hosts == NULL);
  if (strstr(why, expected) == NULL) FAIL(why);
}

static void names(void) {
  check_list("a", "a:0 ");
  check_list("a:1,ann@b.example.org:16", "a:1 ann@b.example.org:16 ");
  check_list(" a:2 , b\n\nc:3 # slow, d\n# e\nf", "a:2 b:0 c:3 f:0 ");
}

static void brackets(void) {
  check_list("n[1-3]:2", "n1:2 n2:2 n3:2 ");
  check_list("n[08-11,20],login", "n08:0 n09:0 n10:0 n11:0 n20:0 login:0 ");
  check_list("r[1-2]n[1,3]x:4", "r1n1x:4 r1n3x:4 r2n1x:4 r2n3x:4 ");
}

static void refusals(void) {
  check_refused("", "no host is named");
  check_refused(" # a", "no host is named");
  check_refused("a:", "a number of workers");
  check_refused("a:0", "a number of workers");
  check_refused("a:1x", "a number of workers");
  check_refused("a:99999", "a number of workers");
  check_refused("a,-oProxyCommand=x", "no name of a host");
  check_refused("a$(reboot)", "no name of a host");
  check_refused("n[1", "no name of a host");
  check_refused("n[]", "no numbers in its brackets");
  check_refused("n[a-b]", "no numbers in its brackets");
  check_refused("n[3-1]", "no numbers in its brackets");
  check_refused("n[1-99999]", "no numbers in its brackets");
  check_refused("@/nowhere/hosts", "cannot read");
}

static void check_command(const char *launch, const char *program, const char *expected) {
  char *command = moons__launch_command(NULL, launch, "node1", program);
  CHECK(command != NULL);
  if (strcmp(command, expected) != 0) FAIL(command);
  moons__free(command);
}

static void commands(void) {
  check_command("ssh {host} {moons}", "moons", "ssh node1 moons --serve agent");
  check_command("{host}{host} {x} {folder}/{moons}", "/opt/m/bin/moons",
                "node1node1 {x} /opt/m/bin/moons --serve agent");
  check_command("{folder}", "moons", "/usr/local/bin");
  check_command("{folder}", "/my files/moons", "/usr/local/bin");
  check_command("{folder}", "/$(reboot)/moons", "/usr/local/bin");
  CHECK(moons__launch_is_valid(moons__launch_by_ssh));
  CHECK(moons__launch_is_valid(moons__launch_by_slurm));
  CHECK(!moons__launch_is_valid("ssh {host}"));
}

/* Any text gives a list or a refusal. */
static void garbage(void) {
  static const char LETTERS[] = "n1-[],:#@ \n0";
  uint64_t state = 7;
  for (int round = 0; round < 20000; round++) {
    char text[13] = "", why[MOONS__LIST_WHY_BYTES];
    moons__host_list list;
    for (size_t i = 0; i < sizeof text - 1; i++)
      text[i] = LETTERS[random_next(&state) % (sizeof LETTERS - 1)];
    if (text[0] == '@') text[0] = 'n';
    int is_refused = moons__host_list_read(&list, NULL, text, why) != 0;
    CHECK(is_refused == (list.n == 0) && is_refused == (why[0] != '\0'));
    moons__host_list_free(&list);
  }
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"names stand between commas, on lines, and before comments", names},
      {"brackets stand for many names", brackets},
      {"what is no list is refused, and why", refusals},
      {"a command has the name of its host, and what serves there", commands},
      {"any text is a list or refused", garbage},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
