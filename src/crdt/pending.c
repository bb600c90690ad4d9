#include "crdt/pending.h"

#include <assert.h>

static uint64_t key_of(uint32_t client, uint32_t clock)
{
  return (uint64_t)client << 32 | clock;
}

static uint64_t node_key(const gs_ptree *t, uint32_t i)
{
  return key_of(t->v[i].client, t->v[i].clock);
}

static uint32_t lower_bound(const gs_ptree *t, uint64_t key)
{
  uint32_t best = 0;
  for (uint32_t i = t->root; i != 0;) {
    if (node_key(t, i) >= key) {
      best = i;
      i = t->v[i].left;
    } else {
      i = t->v[i].right;
    }
  }
  return best;
}

uint32_t gs_ptree_from(const gs_ptree *t, uint32_t client, uint32_t clock)
{
  uint32_t i = lower_bound(t, key_of(client, clock));
  return i != 0 && (client == 0 || t->v[i].client == client) ? i : 0;
}

uint32_t gs_ptree_after(const gs_ptree *t, uint32_t client, uint32_t node)
{
  uint32_t i = lower_bound(t, node_key(t, node) + 1);
  return i != 0 && (client == UINT32_MAX || t->v[i].client == client) ? i : 0;
}

uint32_t gs_ptree_before(const gs_ptree *t, uint32_t client, uint32_t clock)
{
  uint64_t key = key_of(client, clock);
  uint32_t best = 0;
  for (uint32_t i = t->root; i != 0;) {
    if (node_key(t, i) <= key) {
      best = i;
      i = t->v[i].right;
    } else {
      i = t->v[i].left;
    }
  }
  return best != 0 && t->v[best].client == client ? best : 0;
}

bool gs_ptree_reserve(gesso_doc *doc, gs_ptree *t, size_t n)
{
  return n == 0 || gs_grow(doc->alloc, &t->v, &t->cap, (size_t)t->n + n + 1, sizeof(gs_pnode));
}

static uint32_t random32(gesso_doc *doc)
{
  doc->rng += 0x9e3779b97f4a7c15ULL;
  uint64_t z = doc->rng;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  return (uint32_t)(z >> 32);
}

/* Cuts the tree at `at` into keys < key and keys >= key. */
static void cut(gs_ptree *t, uint32_t at, uint64_t key, uint32_t *less, uint32_t *more)
{
  while (at != 0) {
    if (node_key(t, at) < key) {
      *less = at;
      less = &t->v[at].right;
      at = *less;
    } else {
      *more = at;
      more = &t->v[at].left;
      at = *more;
    }
  }
  *less = *more = 0;
}

uint32_t gs_ptree_insert_reserved(gesso_doc *doc, gs_ptree *t, uint32_t client, uint32_t clock, uint32_t len)
{
  if (t->n == 0)
    t->n = 1;
  uint32_t ix = t->free;
  if (ix != 0)
    t->free = t->v[ix].right;
  else
    ix = t->n++;
  assert(ix < t->cap);
  gs_pnode *nd = &t->v[ix];
  *nd = (gs_pnode){ .client = client, .clock = clock, .len = len, .prio = random32(doc) };
  uint64_t key = key_of(client, clock);
  uint32_t *link = &t->root;
  while (*link != 0 && t->v[*link].prio >= nd->prio)
    link = node_key(t, *link) < key ? &t->v[*link].right : &t->v[*link].left;
  uint32_t below = *link;
  *link = ix;
  cut(t, below, key, &nd->left, &nd->right);
  t->count++;
  return ix;
}

void gs_ptree_remove(gs_ptree *t, uint32_t client, uint32_t clock)
{
  uint64_t key = key_of(client, clock);
  uint32_t *link = &t->root;
  while (*link != 0 && node_key(t, *link) != key)
    link = node_key(t, *link) < key ? &t->v[*link].right : &t->v[*link].left;
  uint32_t ix = *link;
  assert(ix != 0);
  uint32_t a = t->v[ix].left, b = t->v[ix].right;
  while (a != 0 && b != 0) {
    if (t->v[a].prio >= t->v[b].prio) {
      *link = a;
      link = &t->v[a].right;
      a = *link;
    } else {
      *link = b;
      link = &t->v[b].left;
      b = *link;
    }
  }
  *link = a != 0 ? a : b;
  t->v[ix].right = t->free;
  t->free = ix;
  if (--t->count == 0) {
    t->n = 1;
    t->free = 0;
  }
}

void gs_pending_decode(gesso_doc *doc, const gs_pnode *node, gs_item *out)
{
  gs_reader rd = gs_reader_of((gesso_bytes){ doc->pending->bytes + node->at, node->bytes });
  gs_read_struct(&rd, doc, node->client, node->clock, out);
  assert(rd.err == GESSO_OK && out->len == node->len);
  if (gs_kind(out) != GS_TYPE && out->c.bytes > 0)
    out->c.at += node->at;
}

bool gs_pending_reserve(gesso_doc *doc, size_t structs, size_t bytes, size_t dels)
{
  gs_pending *p = doc->pending;
  return gs_ptree_reserve(doc, &p->structs, structs) && gs_ptree_reserve(doc, &p->dels, dels) &&
         (bytes == 0 || gs_grow(doc->alloc, &p->bytes, &p->bytes_cap, (size_t)p->bytes_len + bytes, 1));
}

void gs_pending_remove(gesso_doc *doc, uint32_t node)
{
  gs_pending *p = doc->pending;
  gs_pnode nd = p->structs.v[node];
  p->garbage += nd.bytes;
  gs_ptree_remove(&p->structs, nd.client, nd.clock);
  doc->clients[nd.client].pending--;
}

void gs_pending_remove_known(gesso_doc *doc, uint32_t client)
{
  const gs_client *c = &doc->clients[client];
  const gs_ptree *t = &doc->pending->structs;
  for (uint32_t node; c->pending > 0 && (node = gs_ptree_from(t, client, 0)) != 0 &&
                      t->v[node].clock + t->v[node].len <= c->clock;)
    gs_pending_remove(doc, node);
}

void gs_pending_add_delete_reserved(gesso_doc *doc, gs_range r)
{
  gs_ptree *t = &doc->pending->dels;
  uint32_t end = r.clock + r.len;
  uint32_t near = gs_ptree_before(t, r.client, r.clock);
  if (near != 0 && t->v[near].clock + t->v[near].len >= r.clock) {
    r.clock = t->v[near].clock;
    end = GS_MAX(end, r.clock + t->v[near].len);
    gs_ptree_remove(t, r.client, r.clock);
  }
  for (uint32_t next; (next = gs_ptree_from(t, r.client, r.clock)) != 0 && t->v[next].clock <= end;) {
    end = GS_MAX(end, t->v[next].clock + t->v[next].len);
    gs_ptree_remove(t, r.client, t->v[next].clock);
  }
  (void)gs_ptree_insert_reserved(doc, t, r.client, r.clock, end - r.clock);
}

void gs_pending_tidy(gesso_doc *doc)
{
  gs_pending *p = doc->pending;
  if (p->structs.count == 0) {
    if (p->structs.cap == 0 && p->dels.cap == 0 && p->bytes == NULL)
      return;
    gs_free(doc->alloc, p->structs.v, p->structs.cap * sizeof(gs_pnode));
    p->structs = (gs_ptree){ 0 };
    gs_free(doc->alloc, p->bytes, p->bytes_cap);
    p->bytes = NULL;
    p->bytes_len = p->bytes_cap = p->garbage = 0;
  }
  if (p->dels.count == 0 && p->dels.cap > 0) {
    gs_free(doc->alloc, p->dels.v, p->dels.cap * sizeof(gs_pnode));
    p->dels = (gs_ptree){ 0 };
  }
  if (p->garbage < 65536 || p->garbage < p->bytes_len / 2)
    return;
  uint32_t live = p->bytes_len - p->garbage, at = 0;
  uint8_t *bytes = gs_alloc(doc->alloc, live);
  if (bytes == NULL)
    return;
  for (uint32_t i = gs_ptree_from(&p->structs, 0, 0); i != 0; i = gs_ptree_after(&p->structs, UINT32_MAX, i)) {
    gs_pnode *nd = &p->structs.v[i];
    memcpy(bytes + at, p->bytes + nd->at, nd->bytes);
    nd->at = at;
    at += nd->bytes;
  }
  gs_free(doc->alloc, p->bytes, p->bytes_cap);
  p->bytes = bytes;
  p->bytes_len = at;
  p->bytes_cap = live;
  p->garbage = 0;
}

void gs_pending_finish(gesso_doc *doc)
{
  gs_pending *p = doc->pending;
  if (p == NULL)
    return;
  gs_free(doc->alloc, p->structs.v, p->structs.cap * sizeof(gs_pnode));
  gs_free(doc->alloc, p->dels.v, p->dels.cap * sizeof(gs_pnode));
  gs_free(doc->alloc, p->bytes, p->bytes_cap);
  gs_free(doc->alloc, p, sizeof *p);
  doc->pending = NULL;
}

void gs_wait_no_more(gesso_doc *doc, uint32_t client)
{
  gs_client *c = &doc->clients[client];
  if (c->wait_client == 0)
    return;
  if (c->wait_prev != 0)
    doc->clients[c->wait_prev].wait_next = c->wait_next;
  else
    doc->clients[c->wait_client].waiters = c->wait_next;
  if (c->wait_next != 0)
    doc->clients[c->wait_next].wait_prev = c->wait_prev;
  c->wait_client = c->wait_next = c->wait_prev = 0;
}

void gs_wait_for(gesso_doc *doc, uint32_t client, uint32_t on, uint32_t clock)
{
  gs_wait_no_more(doc, client);
  gs_client *c = &doc->clients[client];
  c->wait_client = on;
  c->wait_clock = clock;
  c->wait_next = doc->clients[on].waiters;
  if (c->wait_next != 0)
    doc->clients[c->wait_next].wait_prev = client;
  doc->clients[on].waiters = client;
}
