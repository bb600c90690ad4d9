#include "server/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Parses a request with these header lines and asks. */
static bool ok(const gs_origins *origins, const char *headers, bool host_only)
{
  char text[1024];
  gs_http_parser hp;
  size_t used;
  (void)snprintf(text, sizeof text, "GET /b HTTP/1.1\r\n%s\r\n", headers);
  gs_http_parser_init(&hp, NULL);
  assert_int_equal(gs_http_parser_feed(&hp, (const uint8_t *)text, strlen(text), &used), GS_HTTP_ON_HEAD);
  bool answer = gs_origin_ok(origins, &hp.request, host_only);
  gs_http_parser_finish(&hp);
  return answer;
}

#define HOST(h) "Host: " h "\r\n"
#define ORIGIN(o) "Origin: " o "\r\n"

static void on_a_public_address_a_page_must_come_from_its_host(void **state)
{
  (void)state;
  gs_origins o = { 0 };
  assert_true(ok(&o, HOST("boards.example"), false)); /* a program */
  assert_true(ok(&o, HOST("boards.example") ORIGIN("https://boards.example"), false));
  assert_true(ok(&o, HOST("Boards.Example:8080") ORIGIN("http://boards.example:8080"), false));
  assert_false(ok(&o, HOST("boards.example") ORIGIN("https://evil.example"), false));
  assert_false(ok(&o, HOST("boards.example") ORIGIN("https://boards.example.evil.example"), false));
  assert_false(ok(&o, HOST("boards.example:8080") ORIGIN("http://boards.example:8081"), false));
  assert_false(ok(&o, HOST("boards.example") ORIGIN("null"), false));
  assert_true(ok(&o, HOST("boards.example") ORIGIN("https://evil.example"), true)); /* it cannot read the answer */
}

static void on_loopback_foreign_names_are_refused_whatever_they_resolve_to(void **state)
{
  (void)state;
  gs_origins o = { .loopback = true };
  assert_true(ok(&o, HOST("127.0.0.1:1234"), false));
  assert_true(ok(&o, HOST("localhost:1234") ORIGIN("http://localhost:1234"), false));
  assert_true(ok(&o, HOST("[::1]:1234") ORIGIN("http://[::1]:1234"), false));
  assert_true(ok(&o, HOST("boards.localhost:1234"), true));
  assert_false(ok(&o, HOST("evil.example:1234") ORIGIN("http://evil.example:1234"), false));
  assert_false(ok(&o, HOST("evil.example"), true));
  assert_false(ok(&o, HOST("127.0.0.1.evil.example"), true));
  assert_false(ok(&o, HOST("127.evil.example"), true));
  assert_false(ok(&o, HOST("localhost.evil.example"), true));
  assert_false(ok(&o, HOST("evillocalhost"), true));
  assert_false(ok(&o, HOST("localhost:1234") ORIGIN("http://localhost:4321"), false));
}

static void allowed_origins_are_let_in(void **state)
{
  (void)state;
  static const char *const list[] = { "https://boards.example.org", "http://other:81" };
  gs_origins o = { .allowed = list, .allowed_count = 2, .loopback = true };
  assert_true(ok(&o, HOST("127.0.0.1:1234") ORIGIN("https://boards.example.org"), false));
  assert_true(ok(&o, HOST("boards.example.org") ORIGIN("https://boards.example.org"), false));
  assert_true(ok(&o, HOST("boards.example.org"), true));
  assert_true(ok(&o, HOST("other:81"), false));
  assert_false(ok(&o, HOST("other:82"), true));
  assert_false(ok(&o, HOST("127.0.0.1:1234") ORIGIN("http://boards.example.org"), false)); /* another scheme */
  assert_false(ok(&o, HOST("127.0.0.1:1234") ORIGIN("https://evil.example"), false));
  static const char *const all[] = { "*" };
  o = (gs_origins){ .allowed = all, .allowed_count = 1, .loopback = true };
  assert_true(ok(&o, HOST("evil.example") ORIGIN("https://evil.example"), false));
  assert_true(ok(&o, HOST("evil.example"), false));
}

static void a_browser_that_sends_no_origin_still_says_where_it_was(void **state)
{
  (void)state;
  gs_origins o = { 0 };
  assert_true(ok(&o, HOST("x") "Sec-Fetch-Site: same-origin\r\n", false));
  assert_true(ok(&o, HOST("x") "Sec-Fetch-Site: none\r\n", false));
  assert_false(ok(&o, HOST("x") "Sec-Fetch-Site: cross-site\r\n", false));
  assert_false(ok(&o, HOST("x") "Sec-Fetch-Site: same-site\r\n", false));
}

static void loopback_addresses_are_known(void **state)
{
  (void)state;
  assert_true(gs_is_loopback("127.0.0.1:1234") && gs_is_loopback("localhost:0") && gs_is_loopback("[::1]:1"));
  assert_true(gs_is_loopback("127.1.2.3:80"));
  assert_false(gs_is_loopback("*:1234") || gs_is_loopback("0.0.0.0:1234") || gs_is_loopback("[::]:1234"));
  assert_false(gs_is_loopback("192.168.1.2:1234") || gs_is_loopback("[::1:2]:80"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(on_a_public_address_a_page_must_come_from_its_host),
    cmocka_unit_test(on_loopback_foreign_names_are_refused_whatever_they_resolve_to),
    cmocka_unit_test(allowed_origins_are_let_in),
    cmocka_unit_test(a_browser_that_sends_no_origin_still_says_where_it_was),
    cmocka_unit_test(loopback_addresses_are_known),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
