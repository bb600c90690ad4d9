/* Interned strings: map keys, root names and XML node names. They live as long as the document. */
#include "base/poison.h"
#include "crdt/doc_impl.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* The first few keys come with one allocation, but where AddressSanitizer is to see what is read past the last. */
enum { KEYS_MIN = GS_EXACT_MAX > 0 ? 1 : 8, TEXT_MIN = GS_EXACT_MAX > 0 ? 1 : 64 };

static uint32_t hash_text(const gesso_doc *doc, gesso_bytes s)
{
  return (uint32_t)XXH3_64bits_withSeed(s.data, s.len, doc->hash_seed);
}

static void put(gesso_doc *doc, uint32_t key)
{
  uint32_t mask = doc->key_hash_cap - 1;
  uint32_t h = doc->keys[key].hash & mask;
  while (doc->key_hash[h] != 0)
    h = (h + 1) & mask;
  doc->key_hash[h] = key;
}

static uint32_t find(const gesso_doc *doc, gesso_bytes s, uint32_t hash)
{
  if (doc->key_hash_cap == 0)
    return 0;
  uint32_t mask = doc->key_hash_cap - 1;
  for (uint32_t h = hash & mask; doc->key_hash[h] != 0; h = (h + 1) & mask) {
    const gs_key *k = &doc->keys[doc->key_hash[h]];
    if (k->hash == hash && k->len == s.len && (s.len == 0 || memcmp(doc->key_text + k->at, s.data, s.len) == 0))
      return doc->key_hash[h];
  }
  return 0;
}

uint32_t gs_key_find(const gesso_doc *doc, gesso_bytes s)
{
  return find(doc, s, hash_text(doc, s));
}

uint32_t gs_key_of(gesso_doc *doc, gesso_bytes s)
{
  uint32_t hash = hash_text(doc, s);
  uint32_t key = find(doc, s, hash);
  if (key != 0)
    return key;
  if (s.len > UINT32_MAX - doc->key_text_len)
    return 0;
  if (doc->nkeys + 1 >= doc->key_hash_cap / 4 * 3) {
    uint32_t cap = doc->key_hash_cap == 0 ? 16 : doc->key_hash_cap * 2;
    uint32_t *p = gs_alloc_zero(doc->alloc, cap * sizeof *p);
    if (p == NULL)
      return 0;
    gs_free(doc->alloc, doc->key_hash, doc->key_hash_cap * sizeof *p);
    doc->key_hash = p;
    doc->key_hash_cap = cap;
    for (uint32_t i = 1; i < doc->nkeys; i++)
      put(doc, i);
  }
  size_t keys = GS_MAX((size_t)doc->nkeys + 1, KEYS_MIN), text = GS_MAX(doc->key_text_len + s.len, TEXT_MIN);
  if (!gs_grow(doc->alloc, &doc->keys, &doc->keys_cap, keys, sizeof(gs_key)) ||
      !gs_grow(doc->alloc, &doc->key_text, &doc->key_text_cap, text, 1))
    return 0;
  key = doc->nkeys++;
  doc->keys[key] = (gs_key){ .at = doc->key_text_len, .len = (uint32_t)s.len, .hash = hash };
  if (s.len > 0)
    memcpy(doc->key_text + doc->key_text_len, s.data, s.len);
  doc->key_text_len += (uint32_t)s.len;
  put(doc, key);
  return key;
}

void gs_keys_truncate(gesso_doc *doc, uint32_t n, uint32_t text_len)
{
  if (n >= doc->nkeys)
    return;
  /* The last one in stands at the end of its row of probes: taking it out leaves no hole. */
  uint32_t mask = doc->key_hash_cap - 1;
  while (doc->nkeys > n) {
    uint32_t key = --doc->nkeys, h = doc->keys[key].hash & mask;
    while (doc->key_hash[h] != key)
      h = (h + 1) & mask;
    doc->key_hash[h] = 0;
  }
  doc->key_text_len = text_len;
}
