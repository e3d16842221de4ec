#include "base/json.h"

#include "base/allocate.h"
#include "check.h"

/* What becomes of a text; to be freed. */
static char *json_of(const char *text, size_t n_bytes) {
  moons__buffer out = {0};
  char *copy = copy_exactly(text, n_bytes);
  CHECK(moons__json_text(&out, copy, n_bytes) == 0 && moons__buffer_append(&out, "", 1) == 0);
  free(copy);
  return out.bytes;
}

static int becomes(const char *text, const char *expected) {
  char *json = json_of(text, strlen(text));
  int is_same = strcmp(json, expected) == 0;
  moons__free(json);
  return is_same;
}

static void escapes_what_it_must(void) {
  CHECK(becomes("", ""));
  CHECK(becomes("plain /text'", "plain /text'"));
  CHECK(becomes("a \"b\" \\ c", "a \\\"b\\\" \\\\ c"));
  CHECK(becomes("\n\t\x01\x1f\x7f", "\\n\\t\\u0001\\u001f\\u007f"));
  char *json = json_of("a\0b", 3);
  CHECK(strcmp(json, "a\\u0000b") == 0);
  moons__free(json);
}

static void keeps_utf8(void) {
  CHECK(
      becomes("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x8C\x99", "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x8C\x99"));
  CHECK(becomes("\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF",
                "\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF"));
}

#define BAD "\xEF\xBF\xBD"

/* Lone tails, cut characters, overlong forms, surrogates, and what is above U+10FFFF: each byte of them for itself. */
static void replaces_other_bytes(void) {
  CHECK(becomes("\xA9", BAD) && becomes("\xFF"
                                        "a",
                                        BAD "a"));
  CHECK(becomes("\xC3", BAD) && becomes("\xE2\x82", BAD BAD) &&
        becomes("\xC3"
                "a",
                BAD "a"));
  CHECK(becomes("\xC0\xAF", BAD BAD) && becomes("\xE0\x80\xAF", BAD BAD BAD));
  CHECK(becomes("\xED\xA0\x80", BAD BAD BAD) && becomes("\xF4\x90\x80\x80", BAD BAD BAD BAD));
}

static void cuts_between_characters(void) {
  CHECK(moons__json_whole("abc", 2) == 2);
  CHECK(moons__json_whole("a\xE2\x82\xAC"
                          "b",
                          2) == 1 &&
        moons__json_whole("a\xE2\x82\xAC"
                          "b",
                          4) == 4);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"escapes what it must", escapes_what_it_must},
      {"keeps UTF-8", keeps_utf8},
      {"replaces bytes that are none", replaces_other_bytes},
      {"cuts between characters", cuts_between_characters},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
