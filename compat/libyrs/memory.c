#include "impl.h"

struct yrs_block {
  struct yrs_block *next;
  max_align_t data[];
};

void *yrs_array(size_t n, size_t size)
{
  return calloc(n > 0 ? n : 1, size);
}

char *yrs_string(gesso_bytes s)
{
  char *out = malloc(s.len + 1);
  if (out == NULL)
    return NULL;
  if (s.len > 0)
    memcpy(out, s.data, s.len);
  out[s.len] = 0;
  return out;
}

char *yrs_take_string(gesso_status st, gesso_buffer *b)
{
  char *out = st == GESSO_OK ? yrs_string(yrs_view(*b)) : NULL;
  gesso_buffer_free(b);
  return out;
}

char *yrs_take_bytes(gesso_status st, gesso_buffer *b, uint32_t *len)
{
  char *out = st == GESSO_OK && b->len <= UINT32_MAX ? yrs_string(yrs_view(*b)) : NULL;
  *len = out != NULL ? (uint32_t)b->len : 0;
  gesso_buffer_free(b);
  return out;
}

void *yrs_arena_new(yrs_arena *a, size_t n, size_t size)
{
  struct yrs_block *b = NULL;
  if (size == 0 || n <= (SIZE_MAX - sizeof *b) / size)
    b = calloc(1, sizeof *b + n * size);
  if (b == NULL) {
    a->failed = true;
    return NULL;
  }
  b->next = a->blocks;
  a->blocks = b;
  return b->data;
}

void yrs_arena_free(yrs_arena *a)
{
  while (a->blocks != NULL) {
    struct yrs_block *b = a->blocks;
    a->blocks = b->next;
    free(b);
  }
}

YRS_API void ystring_destroy(char *str)
{
  free(str);
}

YRS_API void ybinary_destroy(char *ptr, uint32_t len)
{
  (void)len;
  free(ptr);
}
