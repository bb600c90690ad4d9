/* Looking things up in a parsed request. */
#include "net/http.h"
#include "net/http_chars.h"

#include <string.h>

bool gs_http_is(gesso_bytes s, const char *text)
{
  for (size_t i = 0; i < s.len; i++)
    if (text[i] == '\0' || gs_http_lower(s.data[i]) != gs_http_lower((uint8_t)text[i]))
      return false;
  return text[s.len] == '\0';
}

gesso_bytes gs_http_field_name(const gs_http_request *req, uint32_t i)
{
  return (gesso_bytes){ req->head + req->fields[i].name_at, req->fields[i].name_len };
}

gesso_bytes gs_http_field_value(const gs_http_request *req, uint32_t i)
{
  return (gesso_bytes){ req->head + req->fields[i].value_at, req->fields[i].value_len };
}

gesso_bytes gs_http_get(const gs_http_request *req, const char *name)
{
  for (uint32_t i = 0; i < req->field_count; i++)
    if (gs_http_is(gs_http_field_name(req, i), name))
      return gs_http_field_value(req, i);
  return (gesso_bytes){ NULL, 0 };
}

bool gs_http_list_next(gesso_bytes *list, gesso_bytes *item)
{
  while (list->len != 0) {
    const uint8_t *comma = memchr(list->data, ',', list->len);
    gesso_bytes one = { list->data, comma == NULL ? list->len : (size_t)(comma - list->data) };
    size_t skip = one.len + (comma != NULL ? 1 : 0);
    list->data += skip;
    list->len -= skip;
    while (one.len != 0 && gs_http_is_space(one.data[0])) {
      one.data++;
      one.len--;
    }
    while (one.len != 0 && gs_http_is_space(one.data[one.len - 1]))
      one.len--;
    if (one.len != 0) {
      *item = one;
      return true;
    }
  }
  return false;
}

bool gs_http_list_has(gesso_bytes list, const char *token)
{
  gesso_bytes item;
  while (gs_http_list_next(&list, &item))
    if (gs_http_is(item, token))
      return true;
  return false;
}

gesso_bytes gs_http_query_get(gesso_bytes query, const char *key)
{
  size_t key_len = strlen(key);
  while (query.len != 0) {
    const uint8_t *end = memchr(query.data, '&', query.len);
    size_t len = end == NULL ? query.len : (size_t)(end - query.data);
    if (len >= key_len && memcmp(query.data, key, key_len) == 0) {
      if (len == key_len)
        return (gesso_bytes){ query.data + len, 0 };
      if (query.data[key_len] == '=')
        return (gesso_bytes){ query.data + key_len + 1, len - key_len - 1 };
    }
    size_t skip = len + (end != NULL ? 1 : 0);
    query.data += skip;
    query.len -= skip;
  }
  return (gesso_bytes){ NULL, 0 };
}

bool gs_http_value_ok(gesso_bytes value)
{
  for (size_t i = 0; i < value.len; i++)
    if (!gs_http_is_text(value.data[i]))
      return false;
  return true;
}
