#include "naive.h"
#include "base/alloc.h"
#include "wire/any.h"
#include "wire/reader.h"
#include "wire/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void broken(const char *what)
{
  fprintf(stderr, "naive: %s\n", what);
  abort();
}

static void *room(size_t n, size_t size)
{
  void *p = calloc(n, size);
  if (p == NULL)
    broken("out of memory");
  return p;
}

naive_doc *naive_new(void)
{
  naive_doc *doc = room(1, sizeof *doc);
  doc->elements = room(NAIVE_ELEMENTS, sizeof *doc->elements);
  doc->chains = room(NAIVE_CHAINS, sizeof *doc->chains);
  doc->waiting = room(NAIVE_WAITING, sizeof *doc->waiting);
  doc->deletes = room(NAIVE_WAITING, sizeof *doc->deletes);
  return doc;
}

void naive_free(naive_doc *doc)
{
  for (int i = 0; i < doc->nchains; i++)
    free(doc->chains[i].order);
  free(doc->elements);
  free(doc->chains);
  free(doc->waiting);
  free(doc->deletes);
  free(doc);
}

static int client_of(const naive_doc *doc, uint64_t client)
{
  int i = 0;
  while (i < doc->nclients && doc->clients[i] != client)
    i++;
  return i;
}

int naive_find(const naive_doc *doc, uint64_t client, uint32_t clock)
{
  int c = client_of(doc, client);
  return c < doc->nclients && clock < doc->clock[c] ? doc->at[c][clock] : -1;
}

uint32_t naive_clock(const naive_doc *doc, uint64_t client)
{
  int c = client_of(doc, client);
  return c < doc->nclients ? doc->clock[c] : 0;
}

/* --- chains --- */

static bool same_name(gesso_bytes a, gesso_bytes b)
{
  return (a.data == NULL) == (b.data == NULL) && a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static int chain_of(naive_doc *doc, int parent, gesso_bytes root, gesso_bytes key)
{
  for (int i = 0; i < doc->nchains; i++) {
    const naive_chain *c = &doc->chains[i];
    if (c->parent == parent && (parent >= 0 || same_name(c->root, root)) && same_name(c->key, key))
      return i;
  }
  if (doc->nchains == NAIVE_CHAINS)
    broken("too many chains");
  doc->chains[doc->nchains] = (naive_chain){ .parent = parent, .root = root, .key = key };
  return doc->nchains++;
}

/* Where it stands in its chain. The end of the chain for none. */
static int place_of(const naive_doc *doc, const naive_chain *c, naive_id id)
{
  int element = id.client != 0 ? naive_find(doc, id.client, id.clock) : -1;
  int i = 0;
  while (i < c->n && c->order[i] != element)
    i++;
  return i;
}

static bool same_id(naive_id a, naive_id b)
{
  return a.client == b.client && a.clock == b.clock;
}

/* Everything between the origin and the right origin was put there by somebody who did not know of the new
 * element. One whose own origin stands further left belongs to what is left of the origin: nothing behind it
 * matters. One with the same origin stands left of the new one if its client is lower; if it is not and has
 * the same right origin the new one goes before it; else what follows decides. One whose origin is further right
 * goes with it: left of the new one if its origin is. */
static int place_for(const naive_doc *doc, const naive_chain *c, const naive_element *e)
{
  int left = e->origin.client != 0 ? place_of(doc, c, e->origin) : -1;
  int right = e->right.client != 0 ? place_of(doc, c, e->right) : c->n;
  int last = left; /* up to here all stand left of the new one */
  for (int i = left + 1; i < c->n && i != right; i++) {
    const naive_element *other = &doc->elements[c->order[i]];
    int its_left = other->origin.client != 0 ? place_of(doc, c, other->origin) : -1;
    if (its_left < left)
      break;
    if (its_left == left ? other->id.client < e->id.client : its_left <= last)
      last = i;
    else if (its_left == left && same_id(other->right, e->right))
      break;
  }
  return last + 1;
}

static void delete_element(naive_doc *doc, int e)
{
  if (doc->elements[e].deleted)
    return;
  doc->elements[e].deleted = true;
  for (int i = 0; i < doc->nchains; i++)
    if (doc->chains[i].parent == e)
      for (int k = 0; k < doc->chains[i].n; k++)
        delete_element(doc, doc->chains[i].order[k]);
}

static void put(naive_doc *doc, int chain, int e)
{
  naive_chain *c = &doc->chains[chain];
  int place = place_for(doc, c, &doc->elements[e]);
  if (c->n == c->cap) {
    c->cap = c->cap == 0 ? 16 : c->cap * 2;
    c->order = realloc(c->order, (size_t)c->cap * sizeof *c->order);
    if (c->order == NULL)
      broken("out of memory");
  }
  memmove(c->order + place + 1, c->order + place, (size_t)(c->n - place) * sizeof *c->order);
  c->order[place] = e;
  c->n++;
  if (c->key.data != NULL) {
    /* The last one is the value of the key. */
    for (int i = 0; i + 1 < c->n; i++)
      delete_element(doc, c->order[i]);
  }
  if (c->parent >= 0 && doc->elements[c->parent].deleted)
    delete_element(doc, e);
}

/* --- integrating --- */

static bool known(const naive_doc *doc, naive_id id)
{
  return id.client == 0 || naive_find(doc, id.client, id.clock) >= 0;
}

static int new_element(naive_doc *doc, naive_id id)
{
  int c = client_of(doc, id.client);
  if (c == doc->nclients) {
    if (c == NAIVE_CLIENTS)
      broken("too many clients");
    doc->clients[doc->nclients++] = id.client;
  }
  if (doc->n == NAIVE_ELEMENTS || id.clock >= NAIVE_CLOCKS)
    broken("too many elements");
  doc->elements[doc->n] = (naive_element){ .id = id, .chain = -1 };
  doc->at[c][id.clock] = doc->n;
  doc->clock[c] = id.clock + 1;
  return doc->n++;
}

/* Where a struct belongs: the chain of its neighbours if it has some, else what it says. -1: nowhere. */
static int chain_for(naive_doc *doc, const naive_struct *s)
{
  enum { GC = 0 };
  if (s->kind == GC)
    return -1;
  int left = s->origin.client != 0 ? naive_find(doc, s->origin.client, s->origin.clock) : -1;
  int right = s->right.client != 0 ? naive_find(doc, s->right.client, s->right.clock) : -1;
  if ((left >= 0 && doc->elements[left].chain < 0) || (right >= 0 && doc->elements[right].chain < 0))
    return -1;
  if (!s->has_parent)
    return doc->elements[left >= 0 ? left : right].chain;
  if (s->parent.client == 0)
    return chain_of(doc, -1, s->root, s->key);
  int parent = naive_find(doc, s->parent.client, s->parent.clock);
  return doc->elements[parent].chain < 0 ? -1 : chain_of(doc, parent, (gesso_bytes){ NULL, 0 }, s->key);
}

/* Integrates what of it is new. False when something is missing. */
static bool integrate(naive_doc *doc, const naive_struct *s)
{
  enum { DELETED = 1, FORMAT = 6 };
  uint32_t clock = naive_clock(doc, s->id.client);
  if (s->id.clock > clock || !known(doc, s->origin) || !known(doc, s->right) || !known(doc, s->parent))
    return false;
  if (s->id.clock + s->len <= clock)
    return true;
  int chain = chain_for(doc, s);
  for (uint32_t k = clock - s->id.clock; k < s->len; k++) {
    naive_id id = { s->id.client, s->id.clock + k };
    if (k > 0 && chain >= 0) {
      int before = naive_find(doc, id.client, id.clock - 1);
      chain = doc->elements[before].chain;
    }
    int e = new_element(doc, id);
    doc->elements[e].origin = k > 0 ? (naive_id){ id.client, id.clock - 1 } : s->origin;
    doc->elements[e].right = s->right;
    doc->elements[e].chain = chain;
    doc->elements[e].format = s->kind == FORMAT;
    if (chain >= 0)
      put(doc, chain, e);
    if (chain < 0 || s->kind == DELETED)
      delete_element(doc, e);
  }
  return true;
}

static void integrate_all(naive_doc *doc)
{
  for (bool more = true; more;) {
    more = false;
    for (int i = 0; i < doc->nwaiting; i++)
      if (!doc->waiting[i].done && integrate(doc, &doc->waiting[i]))
        doc->waiting[i].done = more = true;
  }
  int n = 0;
  for (int i = 0; i < doc->nwaiting; i++)
    if (!doc->waiting[i].done)
      doc->waiting[n++] = doc->waiting[i];
  doc->nwaiting = n;
  n = 0;
  for (int i = 0; i < doc->ndeletes; i++) {
    naive_delete d = doc->deletes[i];
    bool all = true;
    for (uint32_t k = 0; k < d.len; k++) {
      int e = naive_find(doc, d.from.client, d.from.clock + k);
      if (e >= 0)
        delete_element(doc, e);
      else
        all = false;
    }
    if (!all)
      doc->deletes[n++] = d;
  }
  doc->ndeletes = n;
}

/* --- reading --- */

static naive_id read_id(gs_reader *rd)
{
  naive_id id = { .client = gs_read_varuint(rd) };
  id.clock = (uint32_t)gs_read_varuint(rd);
  return id;
}

static uint32_t read_length(gs_reader *rd, int kind)
{
  uint32_t len = 1;
  switch (kind) {
  case 0: /* collected */
  case 1: /* deleted */
  case 10: /* nothing */
    return (uint32_t)gs_read_varuint(rd);
  case 2: /* JSON */
    len = (uint32_t)gs_read_varuint(rd);
    for (uint32_t i = 0; i < len; i++)
      (void)gs_read_bytes(rd);
    return len;
  case 8: /* values */
    len = (uint32_t)gs_read_varuint(rd);
    for (uint32_t i = 0; i < len; i++)
      gs_any_skip(rd);
    return len;
  case 4: /* text */
    return (uint32_t)gs_utf8_utf16_len(gs_read_bytes(rd));
  case 3: /* bytes */
  case 5: /* embed */
    (void)gs_read_bytes(rd);
    return 1;
  case 6: /* format: key and value */
    (void)gs_read_bytes(rd);
    (void)gs_read_bytes(rd);
    return 1;
  case 7: { /* type: 3 and 5 have a name */
    uint64_t type = gs_read_varuint(rd);
    if (type == 3 || type == 5)
      (void)gs_read_bytes(rd);
    return 1;
  }
  case 9: /* document */
    (void)gs_read_bytes(rd);
    gs_any_skip(rd);
    return 1;
  default:
    broken("an unknown kind of struct");
  }
}

static naive_struct read_struct(gs_reader *rd, naive_id id)
{
  enum { HAS_ORIGIN = 0x80, HAS_RIGHT = 0x40, HAS_KEY = 0x20 };
  unsigned info = gs_read_u8(rd);
  naive_struct s = { .id = id, .kind = (int)(info & 31) };
  if (s.kind != 0 && s.kind != 10) {
    if (info & HAS_ORIGIN)
      s.origin = read_id(rd);
    if (info & HAS_RIGHT)
      s.right = read_id(rd);
    s.has_parent = (info & (HAS_ORIGIN | HAS_RIGHT)) == 0;
    if (s.has_parent) {
      if (gs_read_varuint(rd) == 1)
        s.root = gs_read_bytes(rd);
      else
        s.parent = read_id(rd);
      if (info & HAS_KEY)
        s.key = gs_read_bytes(rd);
    }
  }
  s.len = read_length(rd, s.kind);
  return s;
}

void naive_apply(naive_doc *doc, gesso_bytes update)
{
  gs_reader rd = gs_reader_of(update);
  for (uint64_t clients = gs_read_varuint(&rd); clients > 0; clients--) {
    uint64_t structs = gs_read_varuint(&rd);
    naive_id id = read_id(&rd);
    for (; structs > 0; structs--) {
      naive_struct s = read_struct(&rd, id);
      id.clock += s.len;
      if (s.kind == 10)
        continue;
      if (doc->nwaiting == NAIVE_WAITING)
        broken("too much waits");
      doc->waiting[doc->nwaiting++] = s;
    }
  }
  for (uint64_t clients = gs_read_varuint(&rd); clients > 0; clients--) {
    uint64_t client = gs_read_varuint(&rd);
    for (uint64_t ranges = gs_read_varuint(&rd); ranges > 0; ranges--) {
      naive_delete d = { { client, (uint32_t)gs_read_varuint(&rd) }, 0 };
      d.len = (uint32_t)gs_read_varuint(&rd);
      if (doc->ndeletes == NAIVE_WAITING)
        broken("too many deletions wait");
      doc->deletes[doc->ndeletes++] = d;
    }
  }
  if (rd.err != GESSO_OK || gs_reader_left(&rd) != 0)
    broken("an update that is not sound");
  integrate_all(doc);
}
