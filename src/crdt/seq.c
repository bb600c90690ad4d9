#include "crdt/seq.h"
#include "crdt/content.h"
#include "crdt/lanes.h"

#include <assert.h>

#define FAN 32u /* as many as lanes.h looks at */

typedef struct node {
  uint32_t parent;
  uint16_t n;
  uint16_t leaf;
  uint32_t child[FAN]; /* items in a leaf, nodes above */
  uint32_t len[FAN];   /* visible length of each, and zeros */
} node;

typedef uint32_t widths[FAN];

/* How much something is, in both units. */
typedef struct extent {
  uint32_t len, bytes;
} extent;

/* The leaf that was looked at last. The next edit mostly is there too: it finds its place in a step or two, and what
 * changes is told to the nodes above when the cursor leaves the leaf. */
typedef struct cursor {
  uint32_t leaf; /* 0: nowhere */
  uint32_t at;   /* a child of it, or past the last */
  uint32_t last; /* the one that changed last, or is about to, as far as is known */
  uint32_t start;      /* index at which that child begins */
  uint32_t first, end; /* indexes of the leaf */
  bool placed;         /* the three are known; otherwise first == end */
  extent owed;         /* the nodes above do not know of this */
} cursor;

typedef struct gs_seq {
  node *nodes; /* nodes[0] is unused */
  uint32_t n, cap, free;
  uint32_t root;
  cursor cur;
  widths *bytes; /* beside each node's len: UTF-8 bytes. NULL until somebody asks for them */
  uint32_t bytes_cap;
} gs_seq;

static extent extent_of(const gesso_doc *doc, const gs_seq *s, gs_ix ix)
{
  const gs_item *it = &doc->items[ix];
  extent e = { gs_visible_len(it), 0 };
  if (s->bytes != NULL)
    e.bytes = e.len > 0 && gs_kind(it) == GS_STRING ? (uint32_t)gs_content(doc, it).len : e.len;
  return e;
}

void gs_seq_drop(gesso_doc *doc, uint32_t type)
{
  gs_seq *s = doc->types[type].index;
  if (s == NULL)
    return;
  gs_free(doc->alloc, s->nodes, s->cap * sizeof(node));
  gs_free(doc->alloc, s->bytes, s->bytes_cap * sizeof(widths));
  gs_free(doc->alloc, s, sizeof *s);
  doc->types[type].index = NULL;
}

static uint32_t node_new(gesso_doc *doc, gs_seq *s)
{
  uint32_t ix = s->free;
  if (ix != 0) {
    s->free = s->nodes[ix].parent;
  } else {
    if (!gs_grow(doc->alloc, &s->nodes, &s->cap, (size_t)s->n + 1, sizeof(node)) ||
        (s->bytes != NULL && !gs_grow(doc->alloc, &s->bytes, &s->bytes_cap, (size_t)s->n + 1, sizeof(widths))))
      return 0;
    ix = s->n++;
  }
  memset(&s->nodes[ix], 0, sizeof s->nodes[ix]);
  if (s->bytes != NULL)
    memset(s->bytes[ix], 0, sizeof s->bytes[ix]);
  return ix;
}

static uint32_t sum(const node *nd)
{
  uint32_t total = 0;
  for (uint32_t i = 0; i < nd->n; i++)
    total += nd->len[i];
  return total;
}

static extent total(const gs_seq *s, uint32_t ix)
{
  extent e = { sum(&s->nodes[ix]), 0 };
  if (s->bytes != NULL)
    for (uint32_t i = 0; i < s->nodes[ix].n; i++)
      e.bytes += s->bytes[ix][i];
  return e;
}

static uint32_t place_of(const node *nd, uint32_t child)
{
  /* It is there, so what is left behind the last child from before is not what is found. */
  uint32_t i = (uint32_t)__builtin_ctz(gs_lanes_equal(nd->child, child));
  assert(i < nd->n);
  return i;
}

static bool leaf_table(gesso_doc *doc)
{
  if (doc->leaf_of_cap >= doc->items_cap)
    return true;
  uint32_t *p =
    gs_resize(doc->alloc, doc->leaf_of, doc->leaf_of_cap * sizeof *p, doc->items_cap * sizeof *p);
  if (p == NULL)
    return false;
  doc->leaf_of = p;
  doc->leaf_of_cap = doc->items_cap;
  return true;
}

/* Builds the tree bottom up from the chain, nodes three quarters full so that the first insertions
 * find room. */
static bool build(gesso_doc *doc, uint32_t type)
{
  gs_seq *s = GS_NEW(doc->alloc, gs_seq);
  if (s == NULL)
    return false;
  doc->types[type].index = s;
  s->n = 1;
  if (!leaf_table(doc) || !gs_grow(doc->alloc, &s->nodes, &s->cap, 2, sizeof(node)))
    goto fail;
  uint32_t seq = doc->types[type].seq;
  gs_ix at = seq != 0 ? doc->slots[seq].head : 0;
  const uint32_t fill = FAN * 3 / 4;
  uint32_t first = s->n;
  do {
    uint32_t ix = node_new(doc, s);
    if (ix == 0)
      goto fail;
    node *nd = &s->nodes[ix];
    nd->leaf = 1;
    for (; at != 0 && nd->n < fill; at = doc->items[at].right) {
      nd->child[nd->n] = at;
      nd->len[nd->n++] = gs_visible_len(&doc->items[at]);
      doc->leaf_of[at] = ix;
    }
  } while (at != 0);
  uint32_t end = s->n;
  while (end - first > 1) {
    for (uint32_t child = first; child < end;) {
      uint32_t ix = node_new(doc, s);
      if (ix == 0)
        goto fail;
      for (; child < end && s->nodes[ix].n < fill; child++) {
        node *nd = &s->nodes[ix];
        nd->child[nd->n] = child;
        nd->len[nd->n++] = sum(&s->nodes[child]);
        s->nodes[child].parent = ix;
      }
    }
    first = end;
    end = s->n;
  }
  s->root = first;
  return true;
fail:
  gs_seq_drop(doc, type);
  return false;
}

/* Tells the nodes above that node ix changed by that much, modulo 2^32: it may be negative. */
static void bubble(gs_seq *s, uint32_t ix, extent by)
{
  while (s->nodes[ix].parent != 0) {
    uint32_t up = s->nodes[ix].parent, i = place_of(&s->nodes[up], ix);
    s->nodes[up].len[i] += by.len;
    if (s->bytes != NULL)
      s->bytes[up][i] += by.bytes;
    ix = up;
  }
}

/* Before anybody looks at the nodes above. */
static void settle(gs_seq *s)
{
  if (s->cur.owed.len == 0 && s->cur.owed.bytes == 0)
    return;
  bubble(s, s->cur.leaf, s->cur.owed);
  s->cur.owed = (extent){ 0, 0 };
}

/* The cursor goes to a leaf, of which it does not learn where it begins. */
static void go(gs_seq *s, uint32_t leaf)
{
  settle(s);
  s->cur = (cursor){ .leaf = leaf };
}

/* Child i of the cursor's leaf changed by that much. */
static void note(gs_seq *s, uint32_t i, extent by)
{
  cursor *c = &s->cur;
  c->owed.len += by.len;
  c->owed.bytes += by.bytes;
  if (!c->placed)
    return;
  c->end += by.len;
  if (i < c->at)
    c->start += by.len;
}

/* The child in which that much of a node is over, of which there is more. Takes off what is before it. */
static uint32_t child_at(const node *nd, uint32_t *pos)
{
  uint32_t i = gs_lanes_at(nd->len, pos);
  assert(i < nd->n);
  return i;
}

gesso_status gs_seq_find(gesso_doc *doc, uint32_t type, uint32_t pos, gs_ix *item_out, uint32_t *offset_out)
{
  *item_out = 0;
  *offset_out = 0;
  if (pos >= doc->types[type].length)
    return GESSO_OK;
  if (doc->types[type].index == NULL && !build(doc, type))
    return GESSO_E_NOMEM;
  gs_seq *s = doc->types[type].index;
  cursor *c = &s->cur;
  if (pos - c->first < c->end - c->first) {
    const node *nd = &s->nodes[c->leaf];
    uint32_t i = c->at, start = c->start;
    while (pos < start)
      start -= nd->len[--i];
    while (pos - start >= nd->len[i])
      start += nd->len[i++];
    assert(i < nd->n);
    c->at = i;
    c->start = start;
    *item_out = nd->child[i];
    *offset_out = pos - start;
    return GESSO_OK;
  }
  settle(s);
  uint32_t at = s->root, left = pos, upto = doc->types[type].length;
  for (;;) {
    const node *nd = &s->nodes[at];
    uint32_t before = left, i = child_at(nd, &left);
    if (nd->leaf) {
      uint32_t first = pos - before;
      *c = (cursor){ .leaf = at, .at = i, .start = pos - left, .first = first, .end = first + upto, .placed = true };
      *item_out = nd->child[i];
      *offset_out = left;
      return GESSO_OK;
    }
    upto = nd->len[i];
    at = nd->child[i];
  }
}

/* Bottom up: the sums of a node need those of its children. No deeper than the tree. */
static void fill_bytes(const gesso_doc *doc, gs_seq *s, uint32_t ix)
{
  const node *nd = &s->nodes[ix];
  for (uint32_t i = 0; i < nd->n; i++) {
    if (!nd->leaf)
      fill_bytes(doc, s, nd->child[i]);
    s->bytes[ix][i] = nd->leaf ? extent_of(doc, s, nd->child[i]).bytes : total(s, nd->child[i]).bytes;
  }
}

gesso_status gs_seq_measure(gesso_doc *doc, uint32_t type, bool by_bytes, uint64_t pos, gs_place *out,
                            uint64_t *other_out)
{
  *out = (gs_place){ 0, 0 };
  *other_out = 0;
  if (doc->types[type].length == 0)
    return pos == 0 ? GESSO_OK : GESSO_E_USAGE;
  if (doc->types[type].index == NULL && !build(doc, type))
    return GESSO_E_NOMEM;
  gs_seq *s = doc->types[type].index;
  settle(s);
  if (s->bytes == NULL) {
    if (!gs_grow(doc->alloc, &s->bytes, &s->bytes_cap, s->n, sizeof(widths)))
      return GESSO_E_NOMEM;
    fill_bytes(doc, s, s->root);
  }
  extent all = total(s, s->root);
  *other_out = by_bytes ? all.len : all.bytes;
  if (pos >= (by_bytes ? all.bytes : all.len))
    return pos == (by_bytes ? all.bytes : all.len) ? GESSO_OK : GESSO_E_USAGE;
  uint32_t at = s->root, left = (uint32_t)pos;
  *other_out = 0;
  for (;;) {
    const node *nd = &s->nodes[at];
    const uint32_t *here = by_bytes ? s->bytes[at] : nd->len, *there = by_bytes ? nd->len : s->bytes[at];
    uint32_t i = 0;
    while (left >= here[i]) {
      *other_out += there[i];
      left -= here[i++];
    }
    assert(i < nd->n);
    at = nd->child[i];
    if (nd->leaf) {
      *out = (gs_place){ at, left };
      return GESSO_OK;
    }
  }
}

gesso_status gs_seq_find_left(gesso_doc *doc, uint32_t type, uint32_t pos, gs_ix *item_out, uint32_t *end_out)
{
  gesso_status st = gs_seq_find(doc, type, pos - 1, item_out, end_out);
  ++*end_out;
  return st;
}

uint32_t gs_seq_index_of(gesso_doc *doc, uint32_t type, gs_ix ix)
{
  uint32_t index = 0;
  if (doc->types[type].index == NULL && !build(doc, type)) {
    for (gs_ix i = doc->items[ix].left; i != 0; i = doc->items[i].left)
      index += gs_visible_len(&doc->items[i]);
    return index;
  }
  gs_seq *s = doc->types[type].index;
  settle(s);
  uint32_t child = ix;
  for (uint32_t at = doc->leaf_of[ix]; at != 0; at = s->nodes[at].parent) {
    const node *nd = &s->nodes[at];
    for (uint32_t i = place_of(nd, child); i > 0; i--)
      index += nd->len[i - 1];
    child = at;
  }
  return index;
}

/* Sets how much child i of a node is. Returns the difference. */
static extent set_extent(gs_seq *s, uint32_t ix, uint32_t i, extent now)
{
  extent by = { now.len - s->nodes[ix].len[i], 0 };
  s->nodes[ix].len[i] = now.len;
  if (s->bytes != NULL) {
    by.bytes = now.bytes - s->bytes[ix][i];
    s->bytes[ix][i] = now.bytes;
  }
  return by;
}

/* Inserts a child at place i of node ix, splitting upwards as needed. `more`: what the node has more then; not that
 * of the child when another child has less. False: memory is short. */
static bool put(gesso_doc *doc, gs_seq *s, uint32_t ix, uint32_t i, uint32_t child, extent size, extent more)
{
  for (;;) {
    node *nd = &s->nodes[ix];
    uint32_t sibling = 0;
    if (nd->n == FAN) {
      sibling = node_new(doc, s);
      if (sibling == 0)
        return false;
      nd = &s->nodes[ix];
      node *sb = &s->nodes[sibling];
      /* Appending at the very end leaves full nodes behind; elsewhere cut in the middle. */
      uint32_t keep = i == FAN ? FAN - 1 : FAN / 2;
      sb->leaf = nd->leaf;
      sb->parent = nd->parent;
      sb->n = (uint16_t)(FAN - keep);
      memcpy(sb->child, nd->child + keep, sb->n * sizeof *sb->child);
      memcpy(sb->len, nd->len + keep, sb->n * sizeof *sb->len);
      if (s->bytes != NULL)
        memcpy(s->bytes[sibling], s->bytes[ix] + keep, sb->n * sizeof **s->bytes);
      nd->n = (uint16_t)keep;
      memset(nd->len + keep, 0, (FAN - keep) * sizeof *nd->len);
      for (uint32_t k = 0; k < sb->n; k++) {
        if (sb->leaf)
          doc->leaf_of[sb->child[k]] = sibling;
        else
          s->nodes[sb->child[k]].parent = sibling;
      }
    }
    uint32_t to = ix;
    if (sibling != 0 && i > nd->n) {
      i -= nd->n;
      to = sibling;
    }
    node *t = &s->nodes[to];
    memmove(t->child + i + 1, t->child + i, (t->n - i) * sizeof *t->child);
    memmove(t->len + i + 1, t->len + i, (t->n - i) * sizeof *t->len);
    t->child[i] = child;
    t->len[i] = size.len;
    if (s->bytes != NULL) {
      uint32_t *b = s->bytes[to];
      memmove(b + i + 1, b + i, (t->n - i) * sizeof *b);
      b[i] = size.bytes;
    }
    t->n++;
    if (t->leaf)
      doc->leaf_of[child] = to;
    else
      s->nodes[child].parent = to;
    if (sibling == 0) {
      if (more.len != 0 || more.bytes != 0)
        bubble(s, ix, more);
      return true;
    }
    uint32_t up = s->nodes[ix].parent;
    if (up == 0) {
      up = node_new(doc, s);
      if (up == 0)
        return false;
      node *u = &s->nodes[up];
      u->n = 1;
      u->child[0] = ix;
      s->nodes[ix].parent = up;
      s->root = up;
      set_extent(s, up, 0, total(s, ix));
    } else {
      uint32_t p = place_of(&s->nodes[up], ix);
      bubble(s, up, set_extent(s, up, p, total(s, ix)));
    }
    child = sibling;
    size = more = total(s, sibling);
    i = place_of(&s->nodes[up], ix) + 1;
    ix = up;
  }
}

/* The same in the cursor's leaf, which has room: what is more is told to the nodes above later. */
static void put_here(gesso_doc *doc, gs_seq *s, uint32_t i, uint32_t child, extent size)
{
  cursor *c = &s->cur;
  node *nd = &s->nodes[c->leaf];
  memmove(nd->child + i + 1, nd->child + i, (nd->n - i) * sizeof *nd->child);
  memmove(nd->len + i + 1, nd->len + i, (nd->n - i) * sizeof *nd->len);
  nd->child[i] = child;
  nd->len[i] = size.len;
  if (s->bytes != NULL) {
    uint32_t *b = s->bytes[c->leaf];
    memmove(b + i + 1, b + i, (nd->n - i) * sizeof *b);
    b[i] = size.bytes;
  }
  nd->n++;
  doc->leaf_of[child] = c->leaf;
  c->at += i <= c->at;
  note(s, i, size);
}

/* Takes the cursor to the item's leaf. Returns its place there. */
static uint32_t place_in_leaf(const gesso_doc *doc, gs_seq *s, gs_ix ix)
{
  uint32_t leaf = doc->leaf_of[ix];
  const node *nd = &s->nodes[leaf];
  if (s->cur.leaf != leaf)
    go(s, leaf);
  else if (s->cur.at < nd->n && nd->child[s->cur.at] == ix)
    return s->cur.at;
  else if (s->cur.last < nd->n && nd->child[s->cur.last] == ix)
    return s->cur.last;
  return s->cur.last = place_of(nd, ix);
}

gs_ix gs_seq_next(gesso_doc *doc, uint32_t type, gs_ix ix)
{
  gs_seq *s = doc->types[type].index;
  if (s == NULL)
    return doc->items[ix].right;
  /* Within a leaf what is deleted is passed by without a look at it. */
  uint32_t i = place_in_leaf(doc, s, ix) + 1;
  const node *nd = &s->nodes[s->cur.leaf];
  while (i < nd->n && nd->len[i] == 0)
    i++;
  if (i == nd->n)
    return doc->items[nd->child[i - 1]].right;
  s->cur.last = i;
  return nd->child[i];
}

void gs_seq_inserted(gesso_doc *doc, uint32_t type, gs_ix ix)
{
  gs_seq *s = doc->types[type].index;
  if (s == NULL)
    return;
  const gs_item *it = &doc->items[ix];
  uint32_t i = 0;
  if (it->left != 0) {
    i = place_in_leaf(doc, s, it->left) + 1;
  } else {
    uint32_t leaf = s->root;
    while (!s->nodes[leaf].leaf)
      leaf = s->nodes[leaf].child[0];
    if (s->cur.leaf != leaf)
      go(s, leaf);
  }
  extent size = extent_of(doc, s, ix);
  uint32_t leaf = s->cur.leaf;
  if (s->nodes[leaf].n < FAN) {
    put_here(doc, s, i, ix, size);
    return;
  }
  go(s, 0);
  if (!put(doc, s, leaf, i, ix, size, size))
    gs_seq_drop(doc, type);
}

void gs_seq_cut(gesso_doc *doc, uint32_t type, gs_ix left, gs_ix right)
{
  gs_seq *s = doc->types[type].index;
  if (s == NULL)
    return;
  uint32_t i = place_in_leaf(doc, s, left), leaf = s->cur.leaf;
  extent size = extent_of(doc, s, right);
  if (s->nodes[leaf].n < FAN) {
    note(s, i, set_extent(s, leaf, i, extent_of(doc, s, left)));
    put_here(doc, s, i + 1, right, size);
    return;
  }
  go(s, 0);
  extent less = set_extent(s, leaf, i, extent_of(doc, s, left));
  if (!put(doc, s, leaf, i + 1, right, size, (extent){ size.len + less.len, size.bytes + less.bytes }))
    gs_seq_drop(doc, type);
}

void gs_seq_resized(gesso_doc *doc, uint32_t type, gs_ix ix)
{
  gs_seq *s = doc->types[type].index;
  if (s == NULL)
    return;
  uint32_t i = place_in_leaf(doc, s, ix);
  note(s, i, set_extent(s, s->cur.leaf, i, extent_of(doc, s, ix)));
}

void gs_seq_removed(gesso_doc *doc, uint32_t type, gs_ix ix)
{
  gs_seq *s = doc->types[type].index;
  if (s == NULL)
    return;
  uint32_t i = place_in_leaf(doc, s, ix), at = s->cur.leaf;
  note(s, i, set_extent(s, at, i, (extent){ 0, 0 }));
  s->cur.at -= i < s->cur.at;
  for (;;) {
    node *nd = &s->nodes[at];
    if (s->bytes != NULL)
      memmove(s->bytes[at] + i, s->bytes[at] + i + 1, (nd->n - i - 1u) * sizeof **s->bytes);
    memmove(nd->child + i, nd->child + i + 1, (nd->n - i - 1u) * sizeof *nd->child);
    memmove(nd->len + i, nd->len + i + 1, (nd->n - i - 1u) * sizeof *nd->len);
    nd->len[--nd->n] = 0;
    if (nd->n > 0 || nd->parent == 0)
      return;
    go(s, 0);
    uint32_t child = at;
    at = nd->parent;
    s->nodes[child].parent = s->free;
    s->free = child;
    i = place_of(&s->nodes[at], child);
  }
}

static const char *check_node(const gesso_doc *doc, const gs_seq *s, uint32_t ix, gs_ix *expect, unsigned depth)
{
  const node *nd = &s->nodes[ix];
  if (depth > 16)
    return "I7 position index: too deep";
  for (uint32_t i = nd->n; i < FAN; i++)
    if (nd->len[i] != 0)
      return "I7 position index: left-overs";
  for (uint32_t i = 0; i < nd->n; i++) {
    if (nd->leaf) {
      if (nd->child[i] != *expect)
        return "I7 position index: order";
      if (doc->leaf_of[*expect] != ix)
        return "I7 position index: leaf_of";
      if (nd->len[i] != gs_visible_len(&doc->items[*expect]))
        return "I7 position index: length of an item";
      if (s->bytes != NULL && s->bytes[ix][i] != extent_of(doc, s, *expect).bytes)
        return "I7 position index: bytes of an item";
      *expect = doc->items[*expect].right;
    } else {
      if (s->nodes[nd->child[i]].parent != ix)
        return "I7 position index: parent";
      if (nd->len[i] != sum(&s->nodes[nd->child[i]]))
        return "I7 position index: sum";
      if (s->bytes != NULL && s->bytes[ix][i] != total(s, nd->child[i]).bytes)
        return "I7 position index: sum of bytes";
      const char *why = check_node(doc, s, nd->child[i], expect, depth + 1);
      if (why != NULL)
        return why;
    }
  }
  return NULL;
}

static bool cursor_knows(const gs_seq *s)
{
  const cursor *c = &s->cur;
  if (!c->placed)
    return c->first == c->end;
  const node *nd = &s->nodes[c->leaf];
  uint32_t before = 0, first = 0;
  for (uint32_t i = 0; i < c->at; i++)
    before += nd->len[i];
  for (uint32_t at = c->leaf; s->nodes[at].parent != 0; at = s->nodes[at].parent) {
    const node *up = &s->nodes[s->nodes[at].parent];
    for (uint32_t i = place_of(up, at); i > 0; i--)
      first += up->len[i - 1];
  }
  return c->at <= nd->n && c->first == first && c->start == first + before && c->end == first + sum(nd);
}

const char *gs_seq_check(const gesso_doc *doc, uint32_t type)
{
  gs_seq *s = doc->types[type].index;
  if (s == NULL)
    return NULL;
  settle(s);
  if (!cursor_knows(s))
    return "I7 position index: cursor";
  uint32_t seq = doc->types[type].seq;
  gs_ix expect = seq != 0 ? doc->slots[seq].head : 0;
  const char *why = check_node(doc, s, s->root, &expect, 0);
  if (why == NULL && expect != 0)
    why = "I7 position index: items missing";
  return why;
}
