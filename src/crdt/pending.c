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

void gs_pending_decode(gesso_doc *doc, const gs_pnode *node, gs_in *out)
{
  gs_reader rd = gs_reader_of((gesso_bytes){ doc->pending->bytes + node->at, node->bytes });
  gs_read_struct(&rd, doc, node->client, node->clock, out);
  assert(rd.err == GESSO_OK && out->len == node->len);
}

bool gs_pending_reserve(gesso_doc *doc, size_t structs, size_t bytes, size_t dels)
{
  gs_pending *p = doc->pending;
  return gs_ptree_reserve(doc, &p->structs, structs) && gs_ptree_reserve(doc, &p->dels, dels) &&
         (bytes == 0 || gs_grow(doc->alloc, &p->bytes, &p->bytes_cap, (size_t)p->bytes_len + bytes, 1));
}

static uint32_t node_end(const gs_ptree *t, uint32_t i)
{
  return t->v[i].clock + t->v[i].len;
}

static void insert_reserved(gesso_doc *doc, const gs_in *in)
{
  gs_pending *p = doc->pending;
  uint32_t ix = gs_ptree_insert_reserved(doc, &p->structs, in->client, in->clock, in->len);
  p->structs.v[ix].at = p->bytes_len;
  p->structs.v[ix].bytes = (uint32_t)in->raw.len;
  memcpy(p->bytes + p->bytes_len, in->raw.data, in->raw.len);
  /* Yjs forgets the map-key bit of what waits when the key itself is not spelled out; so do we, for equal
   * bytes. Readers ignore it there. */
  if (!in->has_parent)
    p->bytes[p->bytes_len] &= (uint8_t)~0x20u;
  p->bytes_len += (uint32_t)in->raw.len;
  doc->clients[in->client].pending++;
}

/* `in` takes the place of what it covers, unless it is covered: starts and ends of one client's nodes both
 * ascend. What follows it up to `run_end` comes next, so that all up to there counts as covered. */
static void replace_reserved(gesso_doc *doc, const gs_in *in, uint32_t run_end)
{
  gs_pending *p = doc->pending;
  uint32_t before = gs_ptree_before(&p->structs, in->client, in->clock);
  if (before != 0 && node_end(&p->structs, before) >= in->clock + in->len && p->structs.v[before].clock < in->clock)
    return;
  for (uint32_t next; (next = gs_ptree_from(&p->structs, in->client, in->clock)) != 0;) {
    if (p->structs.v[next].clock == in->clock && node_end(&p->structs, next) > run_end)
      return;
    if (p->structs.v[next].clock >= in->clock + in->len || node_end(&p->structs, next) > run_end)
      break;
    gs_pending_remove(doc, next);
  }
  insert_reserved(doc, in);
}

/* What waits and what comes may be two copies of the same ids: cut differently, or one of them collected.
 * Which copy stays is told as in Yjs' mergeUpdates, which goes through both lists at once: from the list
 * whose next struct begins first it takes structs for as long as they follow each other without a gap;
 * then it looks again. Where both begin alike, the list that was in front stays there, unless one of the
 * two structs is collected and the other is not: then they change places. */
void gs_pending_merge_reserved(gesso_doc *doc, const gs_in *in, uint32_t n)
{
  gs_pending *p = doc->pending;
  const gs_ptree *t = &p->structs;
  while (n > 0 && in[0].kind == GS_SKIP) {
    in++;
    n--;
  }
  if (n == 0)
    return;
  uint32_t client = in[0].client, i = 0, steps = 0;
  bool new_in_front = false, old_runs = false, new_runs = false;
  uint32_t end = 0, run_end = 0;
  uint32_t old = doc->clients[client].pending != 0 ? gs_ptree_before(t, client, in[0].clock) : 0;
  if (old != 0 && t->v[old].clock < in[0].clock) {
    end = node_end(t, old);
    old_runs = true;
    old = gs_ptree_after(t, client, old);
  } else if (doc->clients[client].pending != 0) {
    old = gs_ptree_from(t, client, in[0].clock);
    uint32_t before = old != 0 && t->v[old].clock == in[0].clock && in[0].clock > 0
                        ? gs_ptree_before(t, client, in[0].clock - 1)
                        : 0;
    old_runs = before != 0 && node_end(t, before) == in[0].clock;
    end = old_runs ? in[0].clock : 0;
  }
  while (i < n) {
    if (in[i].kind == GS_SKIP) {
      i++;
      continue;
    }
    if (old_runs && old != 0 && t->v[old].clock == end) {
      /* A peer that sends one long struct again and again must not make this walk long. */
      if (steps++ == 256) {
        for (; i < n; i++)
          if (in[i].kind != GS_SKIP)
            replace_reserved(doc, &in[i], in[i].clock + in[i].len);
        return;
      }
      end = node_end(t, old);
      old = gs_ptree_after(t, client, old);
      continue;
    }
    if (new_runs && in[i].clock == end) {
      end += in[i].len;
      replace_reserved(doc, &in[i++], run_end);
      old = gs_ptree_from(t, client, in[i - 1].clock + 1);
      continue;
    }
    bool take_new = old == 0 || in[i].clock < t->v[old].clock;
    if (old != 0 && in[i].clock == t->v[old].clock) {
      if ((in[i].kind == GS_GC) != ((p->bytes[t->v[old].at] & 31) == 0))
        new_in_front = !new_in_front;
      /* Two nodes cannot begin alike, so a longer one stays where Yjs would cut it. */
      take_new = new_in_front && node_end(t, old) <= in[i].clock + in[i].len;
    } else {
      new_in_front = take_new;
    }
    old_runs = new_runs = false;
    if (take_new && in[i].clock + in[i].len <= end) {
      while (i < n && (in[i].kind == GS_SKIP || in[i].clock + in[i].len <= end))
        i++;
      if (i == n || in[i].clock > end)
        continue;
    } else if (!take_new && node_end(t, old) <= end) {
      while (old != 0 && node_end(t, old) <= end) {
        uint32_t next = gs_ptree_after(t, client, old);
        gs_pending_remove(doc, old);
        old = next;
      }
      if (old == 0 || t->v[old].clock > end)
        continue;
    }
    if (take_new) {
      end = run_end = in[i].clock + in[i].len;
      for (uint32_t k = i + 1; k < n && in[k].kind != GS_SKIP && in[k].clock == run_end; k++)
        run_end += in[k].len;
      new_runs = true;
      replace_reserved(doc, &in[i++], run_end);
      old = gs_ptree_from(t, client, in[i - 1].clock + 1);
    } else {
      end = node_end(t, old);
      old_runs = true;
      old = gs_ptree_after(t, client, old);
    }
  }
}

void gs_pending_remove(gesso_doc *doc, uint32_t node)
{
  gs_pending *p = doc->pending;
  gs_pnode nd = p->structs.v[node];
  p->garbage += nd.bytes;
  gs_ptree_remove(&p->structs, nd.client, nd.clock);
  doc->clients[nd.client].pending--;
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
