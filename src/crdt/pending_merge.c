/* Adding to what waits. What waits and what comes may be two copies of the same ids: cut differently, or one of
 * them collected. Which copy stays is told as in Yjs' mergeUpdates, which goes through both lists at once, the
 * highest client first: from the list whose next struct begins first it takes structs for as long as they follow
 * each other without a gap; then it looks again. Where both begin alike, the list that was in front stays there,
 * unless one of the two structs is collected and the other is not: then they change places. */
#include "crdt/pending.h"

static uint32_t node_end(const gs_ptree *t, uint32_t i)
{
  return t->v[i].clock + t->v[i].len;
}

static uint32_t in_end(const gs_item *in)
{
  return in->clock + in->len;
}

static void insert_reserved(gesso_doc *doc, const gs_item *in, const uint8_t *late)
{
  gs_pending *p = doc->pending;
  uint32_t client = gs_client_of(in);
  uint32_t ix = gs_ptree_insert_reserved(doc, &p->structs, client, in->clock, in->len);
  p->structs.v[ix].at = p->bytes_len;
  p->structs.v[ix].bytes = in->c.bytes;
  memcpy(p->bytes + p->bytes_len, late + in->c.at, in->c.bytes);
  p->bytes_len += in->c.bytes;
  doc->clients[client].pending++;
}

/* `in` takes the place of what it covers, unless it is covered: starts and ends of one client's nodes both
 * ascend. What follows it up to `run_end` comes next, so that all up to there counts as covered. */
static void replace_reserved(gesso_doc *doc, const gs_item *in, const uint8_t *late, uint32_t run_end)
{
  gs_pending *p = doc->pending;
  uint32_t client = gs_client_of(in);
  uint32_t before = in->clock > 0 ? gs_ptree_before(&p->structs, client, in->clock - 1) : 0;
  if (before != 0 && node_end(&p->structs, before) >= in_end(in))
    return;
  for (uint32_t next; (next = gs_ptree_from(&p->structs, client, in->clock)) != 0;) {
    if (p->structs.v[next].clock == in->clock && node_end(&p->structs, next) > run_end)
      return;
    if (p->structs.v[next].clock >= in_end(in) || node_end(&p->structs, next) > run_end)
      break;
    gs_pending_remove(doc, next);
  }
  insert_reserved(doc, in, late);
}

static uint32_t run_end_of(const gs_item *in, uint32_t n)
{
  uint32_t end = in_end(&in[0]);
  for (uint32_t i = 1; i < n && in[i].clock == end; i++)
    end = in_end(&in[i]);
  return end;
}

/* Past so many clients, and after so many have been looked at for one update, nobody looks which list is in
 * front. */
enum { CLIENTS_MAX = 1024, LOOKS_MAX = 8 * CLIENTS_MAX };

/* Which list is in front when the first structs of a client begin alike: the one that left the next higher
 * client last. */
static bool new_in_front_at(const gesso_doc *doc, uint32_t client, gs_merge_order *order)
{
  uint64_t above = order->client != 0 ? doc->clients[order->client].id : UINT64_MAX;
  if (doc->nclients > CLIENTS_MAX || order->looks > LOOKS_MAX)
    return false;
  order->looks += doc->nclients;
  for (uint32_t i = 1; i < doc->nclients; i++) {
    const gs_client *c = &doc->clients[i];
    if (c->pending > 0 && c->id > doc->clients[client].id && c->id < above)
      return false;
  }
  return order->client != 0 && order->new_last;
}

void gs_pending_merge_reserved(gesso_doc *doc, const gs_item *in, uint32_t n, const uint8_t *late,
                               gs_merge_order *order)
{
  gs_pending *p = doc->pending;
  const gs_ptree *t = &p->structs;
  if (n == 0)
    return;
  uint32_t client = gs_client_of(in), i = 0, steps = 0;
  bool front_known = false, new_in_front = false, old_runs = false, new_runs = false;
  bool old_left = false; /* whether the old list still stands at this client when the new one leaves it */
  uint32_t end = 0, run_end = 0;
  uint32_t old = doc->clients[client].pending != 0 ? gs_ptree_before(t, client, in[0].clock) : 0;
  if (old != 0 && t->v[old].clock < in[0].clock) {
    end = node_end(t, old);
    old_runs = front_known = true;
    old = gs_ptree_after(t, client, old);
  } else if (doc->clients[client].pending != 0) {
    old = gs_ptree_from(t, client, in[0].clock);
    uint32_t before = old != 0 && t->v[old].clock == in[0].clock && in[0].clock > 0
                        ? gs_ptree_before(t, client, in[0].clock - 1)
                        : 0;
    front_known = before != 0;
    old_runs = before != 0 && node_end(t, before) == in[0].clock;
    end = old_runs ? in[0].clock : 0;
  }
  while (i < n) {
    if (old_runs && old != 0 && t->v[old].clock == end) {
      /* A peer that sends one long struct again and again must not make this walk long. */
      if (steps++ == 256) {
        for (; i < n; i++)
          replace_reserved(doc, &in[i], late, in_end(&in[i]));
        break;
      }
      end = node_end(t, old);
      old = gs_ptree_after(t, client, old);
      continue;
    }
    if (new_runs && in[i].clock == end) {
      end = in_end(&in[i]);
      replace_reserved(doc, &in[i++], late, run_end);
      old = gs_ptree_from(t, client, in[i - 1].clock + 1);
      continue;
    }
    bool take_new = old == 0 || in[i].clock < t->v[old].clock;
    if (old != 0 && in[i].clock == t->v[old].clock) {
      if (!front_known)
        new_in_front = new_in_front_at(doc, client, order);
      if ((gs_kind(&in[i]) == GS_GC) != ((p->bytes[t->v[old].at] & 31) == 0))
        new_in_front = !new_in_front;
      /* Two nodes cannot begin alike, so a longer one stays where Yjs would cut it. */
      take_new = new_in_front && node_end(t, old) <= run_end_of(in + i, n - i);
    } else {
      new_in_front = take_new;
    }
    front_known = true;
    old_runs = new_runs = false;
    if (take_new && in_end(&in[i]) <= end) {
      old_left = old != 0;
      while (i < n && in_end(&in[i]) <= end)
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
      end = in_end(&in[i]);
      run_end = run_end_of(in + i, n - i);
      old_left = old != 0;
      new_runs = true;
      replace_reserved(doc, &in[i++], late, run_end);
      old = gs_ptree_from(t, client, in[i - 1].clock + 1);
    } else {
      end = node_end(t, old);
      old_runs = true;
      old = gs_ptree_after(t, client, old);
    }
  }
  order->client = client;
  order->new_last = !old_left;
}
