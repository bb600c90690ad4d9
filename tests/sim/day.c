/* One run. The seed decides how the day goes: how many people on how many boards, how the store is set, which kinds of
 * trouble there are, and what happens next, again and again. In the evening the trouble ends, everybody comes back, and
 * all must hold the same. */
#include "sim.h"

#include "server/log.h"
#include "server/room.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_MIN = 520, EVENTS_MORE = 260 };

typedef struct habits {
  uint32_t edit, hear, send, connect, leave, replace, point, undo; /* weights of what may happen */
  uint32_t work, turn, time, fault, heal, crash, stop, order, save, version, wall;
  bool writes, syncs, reads, full, slow;                           /* which faults there are */
  uint32_t power_percent;
} habits;

static habits h;
static day_result *result;
static int64_t wall_stepped_ms;

static uint32_t often(uint32_t usual)
{
  static const uint32_t factors[] = { 0, 1, 2, 2, 4, 8 };
  return usual * factors[roll(6)] / 2;
}

static void choose_habits(void)
{
  h = (habits){
    .edit = 10 + often(20), .hear = 10 + often(20), .send = 10 + often(20), .connect = 4 + often(6), .leave = often(3),
    .replace = often(1), .point = often(3), .undo = often(4), .work = 10 + often(30), .turn = 10 + often(20),
    .time = 2 + often(6), .fault = often(3), .heal = 2, .crash = often(2), .stop = often(1), .order = often(2),
    .save = often(2), .version = chance(40) ? often(2) : 0, .wall = often(1),
    .writes = chance(60), .syncs = chance(60), .reads = chance(20), .full = chance(40), .slow = chance(50),
    .power_percent = roll(3) * 50,
  };
}

static gesso_persistence_options choose_options(void)
{
  static const uint32_t debounces[] = { 0, 100, 1000 };
  static const uint64_t journals[] = { 0, 0, 3000, 20000 }, queues[] = { 0, 0, 0, 30000, 60000 };
  static const uint64_t logs[] = { 0, 60000, 300000 };
  gesso_persistence_options o = {
    .durability = chance(90) ? GESSO_DURABILITY_DISK : GESSO_DURABILITY_OS,
    .flags = chance(20) ? GESSO_OPEN_NO_HISTORY : 0,
    .debounce_ms = debounces[roll(3)],
    .journal_bytes_max = journals[roll(4)],
    .wal_bytes_max = logs[roll(3)],
    .queue_bytes_max = queues[roll(5)],
    .group_window_us = chance(50) ? 0 : 1 + roll(20000),
  };
  o.max_wait_ms = o.debounce_ms * 4;
  return o;
}

/* --- what happens --- */

static void work(uint32_t steps)
{
  while (steps-- != 0 && os_step())
    ;
}

static void pass_time(void)
{
  static const uint32_t ms[] = { 5, 5, 50, 300, 1200, 6000, 40000, 400000 };
  os_advance_us((uint64_t)(1 + roll(ms[roll(8)])) * 1000);
}

static void trouble(void)
{
  static const char *const names[] = { "writes", "syncs", "reads", "full", "slow" };
  const bool may[] = { h.writes, h.syncs, h.reads, h.full, h.slow };
  disk_faults f = { 0 };
  uint32_t kind = roll(5);
  if (!may[kind])
    return;
  trace("disk: trouble with %s", names[kind]);
  switch (kind) {
  case 0:
    f.write = 20 + roll(400);
    break;
  case 1:
    f.sync = 100 + roll(900);
    break;
  case 2:
    f.read = 5 + roll(60);
    break;
  case 3:
    f.full = true;
    f.full_is_told = chance(50);
    break;
  default:
    f.slow_us = 1000u << roll(12);
    break;
  }
  disk_set_faults(sv.disk, &f);
}

static void heal(void)
{
  static const disk_faults none;
  disk_set_faults(sv.disk, &none);
}

static void set_the_clock(void)
{
  int64_t to = ((int64_t)roll(72) - 36) * 3600 * 1000 + roll(100000);
  trace("somebody sets the clock by %lld ms", (long long)(to - wall_stepped_ms));
  os_step_wall_ms(to - wall_stepped_ms);
  wall_stepped_ms = to;
}

static void crash(void)
{
  bool power = chance(h.power_percent);
  server_kill(power);
  if (power)
    result->cuts++;
  else
    result->kills++;
}

static void give_an_order(board *b)
{
  if (b->fate == ALIVE)
    server_order(b, ORDER_DELETE, chance(15));
  else
    server_order(b, chance(50) ? ORDER_CREATE : ORDER_UNDELETE, false);
}

static void send_some(client *c)
{
  for (uint32_t n = 1 + roll(4); n != 0 && client_send_on(c); n--)
    ;
}

static void hear_some(client *c)
{
  for (uint32_t n = 1 + roll(4); n != 0 && client_hear(c); n--)
    ;
  if (c->gap && c->to_client.first == NULL && chance(50))
    client_drain(c);
}

static void something_happens(void)
{
  client *c = &clients[roll(client_count)];
  board *b = &boards[roll(board_count)];
  const uint32_t weights[] = { h.edit, h.hear, h.send, h.connect, h.leave, h.replace, h.point, h.undo, h.work, h.turn, h.time,
                               h.fault, h.heal, h.crash, h.stop, h.order, h.save, h.version, h.wall };
  uint32_t sum = 0, kind = 0;
  for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++)
    sum += weights[i];
  for (uint32_t dice = roll(sum); dice >= weights[kind]; kind++)
    dice -= weights[kind];
  switch (kind) {
  case 0:
    client_edit(c);
    result->edits++;
    break;
  case 1:
    hear_some(c);
    break;
  case 2:
    send_some(c);
    break;
  case 3:
    client_connect(c);
    break;
  case 4:
    if (c->online)
      client_disconnect(c, chance(50));
    break;
  case 5:
    client_replace(c);
    break;
  case 6:
    client_point(c);
    break;
  case 7:
    client_undo(c);
    break;
  case 8:
    work(1 + roll(60));
    break;
  case 9:
    server_turn();
    break;
  case 10:
    pass_time();
    break;
  case 11:
    trouble();
    break;
  case 12:
    heal();
    break;
  case 13:
    crash();
    break;
  case 14:
    server_stop();
    break;
  case 15:
    give_an_order(b);
    break;
  case 16:
    if (chance(70))
      server_save(b);
    else
      server_flush();
    break;
  case 17:
    if (chance(60))
      server_name_version(b);
    else
      server_restore_version(b);
    break;
  default:
    set_the_clock();
    break;
  }
}

/* What goes on all the time. */
static void meanwhile(void)
{
  os_advance_us(roll(3000));
  work(roll(6));
  if (chance(30))
    server_turn();
  if (sv.state == DOWN && chance(30)) {
    server_start();
  }
  for (uint32_t i = 0; i < client_count; i++) {
    if (clients[i].online && clients[i].code != 0 && chance(30))
      client_disconnect(&clients[i], true);
    client_tick(&clients[i]);
  }
}

/* Each day has a crash and a disk that fails. */
static void see_to_it(uint64_t at, uint64_t events)
{
  if (at == events * 3 / 5 && result->kills + result->cuts == 0)
    crash();
  bool fails = disk_fault_count(sv.disk) != 0;
  if (at >= events * 2 / 5 && !fails && at % 8 == 0) {
    disk_faults f = { .write = 200, .sync = server_durable() ? 500 : 0 };
    disk_set_faults(sv.disk, &f);
    h.writes = true;
  }
  if (at == events - 30 && chance(50)) /* or only in the evening */
    heal();
}

/* Nothing went wrong, as nothing was written: but an opening writes. */
static void see_to_a_fault(void)
{
  for (uint32_t rounds = 0; rounds < 100 && disk_fault_count(sv.disk) == 0; rounds++) {
    disk_faults f = { .write = 500 };
    if (rounds % 10 == 0)
      crash();
    disk_set_faults(sv.disk, &f);
    server_start();
    work(100);
    server_turn();
  }
}

/* --- the evening --- */

static void put_right(void)
{
  for (uint32_t i = 0; i < board_count; i++)
    if (boards[i].fate == DELETED && boards[i].audited)
      server_order(&boards[i], ORDER_CREATE, false);
}

/* Who is here sees who else is, and nobody else. */
static bool same_presence(client *c)
{
  uint64_t seen[CLIENTS_MAX * 4];
  size_t n = gesso_awareness_clients(c->presence, seen, CLIENTS_MAX * 4), here = 0;
  for (uint32_t i = 0; i < client_count; i++) {
    client *o = &clients[i];
    if (o->board != c->board)
      continue;
    gesso_bytes theirs = gesso_awareness_state(o->presence, o->id), mine = gesso_awareness_state(c->presence, o->id);
    here++;
    if (theirs.len != mine.len || (mine.len != 0 && memcmp(theirs.data, mine.data, mine.len) != 0))
      return false;
  }
  return n == here;
}

static bool all_met(void)
{
  if (sv.state != UP || sv.rooms.read_only)
    return false;
  for (uint32_t i = 0; i < client_count; i++) {
    client *c = &clients[i];
    gs_room *room = gs_rooms_find(&sv.rooms, board_name(c->board));
    if (!c->online || !c->synced || !client_quiet(c) || !c->board->audited || c->board->fate != ALIVE || room == NULL ||
        room->state != GS_ROOM_LIVE || room->batches != NULL || room->in_turn || !same_docs(c->doc, room->doc) ||
        !same_presence(c))
      return false;
  }
  return true;
}

/* Why not. */
static void explain(void)
{
  trace("server %d, read only %d, unsynced %zu", (int)sv.state, sv.has_rooms && sv.rooms.read_only, disk_unsynced(sv.disk));
  for (uint32_t i = 0; i < client_count; i++) {
    client *c = &clients[i];
    gs_room *room = sv.has_rooms ? gs_rooms_find(&sv.rooms, board_name(c->board)) : NULL;
    gesso_buffer vector = { 0 };
    (void)!gesso_doc_state_vector_json(c->doc, &vector);
    trace("client %llu: online %d synced %d quiet %d code %u, board %s fate %d audited %d, room %d same %d presence %d %.*s",
          (unsigned long long)c->id, c->online, c->synced, client_quiet(c), c->code, c->board->name, (int)c->board->fate,
          c->board->audited, room == NULL ? -1 : (int)room->state,
          room != NULL && room->doc != NULL && same_docs(c->doc, room->doc), same_presence(c), (int)vector.len,
          (const char *)vector.data);
    gesso_buffer_free(&vector);
    if (room != NULL && room->doc != NULL) {
      (void)!gesso_doc_state_vector_json(room->doc, &vector);
      trace("  the room: batches %d, %.*s", room->batches != NULL, (int)vector.len, (const char *)vector.data);
      gesso_buffer_free(&vector);
    }
  }
}

static void meet(void)
{
  heal();
  for (uint32_t i = 0; i < client_count; i++) {
    client_edit(&clients[i]);
    client_point(&clients[i]);
  }
  trace("the evening");
  for (uint32_t rounds = 0; !all_met(); rounds++) {
    if (rounds > 3000) {
      explain();
      violated("they do not meet");
    }
    if (sv.state == DOWN)
      server_start();
    put_right();
    for (uint32_t i = 0; i < client_count; i++) {
      client *c = &clients[i];
      if (c->online && c->code != 0)
        client_disconnect(c, true);
      client_connect(c);
      while (client_send_on(c))
        ;
    }
    server_turn();
    work(40);
    server_turn();
    for (uint32_t i = 0; i < client_count; i++) {
      while (client_hear(&clients[i]))
        ;
      client_drain(&clients[i]);
      client_tick(&clients[i]);
    }
    os_advance_us(1000u << (rounds % 10));
  }
}

static int by_text(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every entry once, and all that those who are here ever wrote. */
static void nothing_is_doubled_or_lost(board *b, gesso_doc *doc)
{
  static const uint8_t log[] = "log";
  gesso_values v = { 0 };
  if (gesso_array_get(doc, gesso_doc_root(doc, (gesso_bytes){ log, 3 }, GESSO_ARRAY), 0, UINT64_MAX, &v) != GESSO_OK)
    abort();
  char **all = calloc(v.count + 1, sizeof *all);
  for (size_t i = 0; i < v.count; i++)
    all[i] = strndup((const char *)v.items[i].bytes.data, v.items[i].bytes.len);
  qsort(all, v.count, sizeof *all, by_text);
  for (size_t i = 1; i < v.count; i++)
    if (strcmp(all[i - 1], all[i]) == 0)
      violated("%s: %s is there twice", b->name, all[i]);
  for (uint32_t i = 0; i < client_count; i++) {
    for (uint32_t n = 0; clients[i].board == b && n < clients[i].logged; n++) {
      char entry[40];
      const char *key = entry;
      (void)snprintf(entry, sizeof entry, "%llu.%u", (unsigned long long)clients[i].id, n);
      if (bsearch(&key, all, v.count, sizeof *all, by_text) == NULL)
        violated("%s: %s is lost", b->name, entry);
    }
  }
  for (size_t i = 0; i < v.count; i++)
    free(all[i]);
  free(all);
  gesso_values_free(&v);
}

static void wait_for_state(server_state state)
{
  for (uint32_t rounds = 0; sv.state != state; rounds++) {
    if (rounds > 3000)
      violated("the server does not %s", state == DOWN ? "stop" : "start");
    server_turn();
    work(40);
    os_advance_us(5000);
  }
}

static void look_at_the_disk(void)
{
  for (uint32_t i = 0; i < board_count; i++) {
    board *b = &boards[i];
    b->final = NULL;
    for (uint32_t k = 0; k < client_count; k++)
      if (clients[k].board == b)
        b->final = clients[k].doc;
    if (!b->restored && b->final != NULL)
      nothing_is_doubled_or_lost(b, b->final);
  }
  server_stop();
  wait_for_state(DOWN);
  if (sv.unwritten != 0)
    violated("%llu boards could not be written to a disk that works", (unsigned long long)sv.unwritten);
  server_check("in the end");
  server_start();
  wait_for_state(UP);
  for (uint32_t rounds = 0; rounds < 3000; rounds++) {
    bool all = true;
    for (uint32_t i = 0; i < board_count; i++)
      all = all && boards[i].audited;
    if (all)
      break;
    server_turn();
    work(40);
    os_advance_us(5000);
    if (rounds == 2999)
      violated("the boards cannot be loaded again");
  }
  server_stop();
  wait_for_state(DOWN);
}

void day(uint64_t seed, const char *folder, day_result *out)
{
  *out = (day_result){ 0 };
  result = out;
  wall_stepped_ms = 0;
  trace_begin(seed);
  os_begin();
  sqlite3_randomness(0, NULL); /* so that it asks for a new seed */
  plant_begin();
  gs_log_set_level((gs_log_level)(GS_LOG_ERROR + 1));
  choose_habits();
  os_set_switch_percent(1 + roll(4) * roll(10));
  gesso_persistence_options options = choose_options();
  model_begin(1 + roll(BOARDS_MAX));
  server_begin(folder, &options);
  h.syncs = h.syncs && server_durable(); /* who does not wait for syncs loses what a failed one loses */
  clients_begin(2 + roll(CLIENTS_MAX - 1), chance(30) ? 6 + roll(20) : 1000);
  trace("seed %llu: %u boards, %u clients", (unsigned long long)seed, board_count, client_count);
  server_start();
  uint64_t events = EVENTS_MIN + roll(EVENTS_MORE);
  for (uint64_t i = 0; i < events; i++) {
    something_happens();
    meanwhile();
    see_to_it(i, events);
  }
  see_to_a_fault();
  out->faults = disk_fault_count(sv.disk);
  meet();
  out->acks = sv.counters.acks;
  look_at_the_disk();
  out->operations = disk_operations(sv.disk);
  clients_end();
  server_end();
  model_end();
  os_end();
  out->events = events;
  out->hash = trace_hash();
}
