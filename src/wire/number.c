#include "wire/number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* strtod reads the decimal point of the program's locale; ours is always '.'. glibc gives the "C"
 * locale out of static memory, so asking for it each time allocates nothing. */
static double c_strtod(const char *text)
{
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  double value = c != (locale_t)0 ? strtod_l(text, NULL, c) : strtod(text, NULL);
  if (c != (locale_t)0)
    freelocale(c);
  return value;
}

/* value = 0.d1d2d3... x 10^point */
struct decimal {
  char digits[24];
  int count;
  int point;
};

/* The decimal of `count` digits nearest to value (> 0). */
static struct decimal decimal_of(double value, int count)
{
  struct decimal dec = { .count = 0 };
  char text[64];
  (void)snprintf(text, sizeof text, "%.*e", count - 1, value);
  const char *p = text;
  /* Whatever stands between the digits is the locale's decimal point. */
  for (; *p != '\0' && *p != 'e'; p++)
    if (*p >= '0' && *p <= '9' && dec.count < count)
      dec.digits[dec.count++] = *p;
  dec.point = *p == 'e' ? atoi(p + 1) + 1 : 1;
  return dec;
}

static bool decimal_is(const struct decimal *dec, double value)
{
  char text[64];
  (void)snprintf(text, sizeof text, "0.%.*se%d", dec->count, dec->digits, dec->point);
  return c_strtod(text) == value;
}

/* Adds one to the last digit. */
static void decimal_up(struct decimal *dec)
{
  int i = dec->count - 1;
  while (i >= 0 && dec->digits[i] == '9')
    dec->digits[i--] = '0';
  if (i >= 0) {
    dec->digits[i]++;
    return;
  }
  dec->digits[0] = '1';
  dec->point++;
}

/* The fewest digits that read back as value. Every normal number is given back by its 15 digits if
 * any text of up to 15 digits means it, so the search starts there; subnormal numbers have fewer
 * significant digits and start at one. Above a power of two the gap between numbers is twice the gap
 * below it: there the nearest 16 digits may fall short while the next text up still hits. */
static struct decimal shortest(double value)
{
  for (int count = value < DBL_MIN ? 1 : 15; count < 17; count++) {
    struct decimal dec = decimal_of(value, count);
    if (decimal_is(&dec, value))
      return dec;
    int exponent;
    if (frexp(value, &exponent) == 0.5) {
      decimal_up(&dec);
      if (decimal_is(&dec, value))
        return dec;
    }
  }
  return decimal_of(value, 17);
}

size_t gs_number_format(double value, char out[GS_NUMBER_TEXT_MAX])
{
  if (isnan(value))
    return (size_t)snprintf(out, GS_NUMBER_TEXT_MAX, "NaN");
  if (isinf(value))
    return (size_t)snprintf(out, GS_NUMBER_TEXT_MAX, value < 0 ? "-Infinity" : "Infinity");
  if (fabs(value) < 9007199254740992.0 && value == (double)(int64_t)value)
    return (size_t)snprintf(out, GS_NUMBER_TEXT_MAX, "%lld", (long long)value);
  struct decimal dec = shortest(fabs(value));
  while (dec.count > 1 && dec.digits[dec.count - 1] == '0')
    dec.count--;
  char *p = out;
  if (value < 0)
    *p++ = '-';
  if (dec.point > 0 && dec.point <= 21) {
    for (int i = 0; i < dec.count || i < dec.point; i++) {
      if (i == dec.point)
        *p++ = '.';
      *p++ = i < dec.count ? dec.digits[i] : '0';
    }
  } else if (dec.point <= 0 && dec.point > -6) {
    *p++ = '0';
    *p++ = '.';
    for (int i = dec.point; i < 0; i++)
      *p++ = '0';
    for (int i = 0; i < dec.count; i++)
      *p++ = dec.digits[i];
  } else {
    *p++ = dec.digits[0];
    if (dec.count > 1) {
      *p++ = '.';
      for (int i = 1; i < dec.count; i++)
        *p++ = dec.digits[i];
    }
    p += snprintf(p, 8, "e%+d", dec.point - 1);
  }
  *p = '\0';
  return (size_t)(p - out);
}

void gs_number_write_json(gs_buf *out, double value)
{
  if (!isfinite(value)) {
    gs_buf_puts(out, "null");
    return;
  }
  char text[GS_NUMBER_TEXT_MAX];
  gs_buf_write(out, text, gs_number_format(value, text));
}

gesso_status gs_number_parse(const gesso_allocator *al, gesso_bytes text, double *value_out)
{
  char small[65];
  if (text.len < sizeof small) {
    memcpy(small, text.data, text.len);
    small[text.len] = '\0';
    *value_out = c_strtod(small);
    return GESSO_OK;
  }
  char *copy = gs_alloc(al, text.len + 1);
  if (copy == NULL)
    return GESSO_E_NOMEM;
  memcpy(copy, text.data, text.len);
  copy[text.len] = '\0';
  *value_out = c_strtod(copy);
  gs_free(al, copy, text.len + 1);
  return GESSO_OK;
}
