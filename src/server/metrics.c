/* GET /metrics: the counters in Prometheus' text form. */
#include "server/api.h"
#include "server/limits.h"
#include "server/room.h"

static void one(gs_buf *out, const char *name, const char *kind, const char *help, uint64_t value)
{
  gs_buf_printf(out, "# HELP gesso_%s %s\n# TYPE gesso_%s %s\ngesso_%s %llu\n", name, help, name, kind, name,
                (unsigned long long)value);
}

static void histogram(gs_buf *out, const char *name, const char *help, const uint64_t counts[GESSO_LATENCY_BUCKETS])
{
  gs_buf_printf(out, "# HELP gesso_%s %s\n# TYPE gesso_%s histogram\n", name, help, name);
  uint64_t sum = 0;
  for (unsigned i = 0; i < GESSO_LATENCY_BUCKETS; i++) {
    sum += counts[i];
    if (i + 1 < GESSO_LATENCY_BUCKETS)
      gs_buf_printf(out, "gesso_%s_bucket{le=\"%g\"} %llu\n", name, (double)(UINT64_C(64) << i) / 1e6,
                    (unsigned long long)sum);
  }
  gs_buf_printf(out, "gesso_%s_bucket{le=\"+Inf\"} %llu\ngesso_%s_count %llu\n", name, (unsigned long long)sum, name,
                (unsigned long long)sum);
}

static void store_metrics(gs_buf *out, gesso_persistence *store)
{
  static const char *const profiles[] = { "disk", "os", "memory" };
  gesso_persistence_stats s = { .size = sizeof s };
  if (gesso_persistence_get_stats(store, &s) != GESSO_OK)
    return;
  gs_buf_printf(out, "# HELP gesso_durability_info when an update is acknowledged\n"
                     "# TYPE gesso_durability_info gauge\ngesso_durability_info{profile=\"%s\"} 1\n",
                s.durability < GS_COUNT(profiles) ? profiles[s.durability] : "unknown");
  one(out, "store_healthy", "gauge", "1 while writes succeed", s.health == GESSO_OK);
  one(out, "store_boards_active", "gauge", "boards with a journal or with work to do", s.boards_active);
  one(out, "store_boards_dirty", "gauge", "boards with updates that no fold contains yet", s.boards_dirty);
  one(out, "store_boards_unsaved", "gauge", "boards with updates that are not synced yet", s.boards_unsaved);
  one(out, "store_queue_bytes", "gauge", "updates in memory until they are synced", s.queue_bytes);
  one(out, "store_queue_updates", "gauge", "the same, counted", s.queue_updates);
  one(out, "store_journal_bytes", "gauge", "journal rows on disk", s.journal_bytes);
  one(out, "store_journal_live_bytes", "gauge", "of them, not yet folded", s.journal_live_bytes);
  one(out, "store_journal_bytes_max", "gauge", "cap of the journal", s.journal_bytes_max);
  one(out, "store_wal_bytes", "gauge", "size of the write-ahead log", s.wal_bytes);
  one(out, "store_database_bytes", "gauge", "size of the database file", s.database_bytes);
  one(out, "store_used_bytes", "gauge", "of it, what the quota counts", s.used_bytes);
  one(out, "store_used_bytes_max", "gauge", "quota of all boards; 0: none", s.used_bytes_max);
  one(out, "store_board_bytes_max", "gauge", "quota of one board; 0: none", s.board_bytes_max);
  one(out, "store_disk_left_bytes", "gauge", "room on the disk", s.disk_left_bytes);
  one(out, "store_boards_filled_total", "counter", "times a board reached its quota", s.boards_filled);
  one(out, "store_updates_total", "counter", "updates appended", s.updates_appended);
  one(out, "store_update_bytes_total", "counter", "bytes of updates appended", s.updates_bytes);
  one(out, "store_updates_refused_total", "counter", "updates of deleted boards, or undecodable", s.updates_refused);
  one(out, "store_commits_total", "counter", "commits", s.commits);
  one(out, "store_syncs_total", "counter", "syncs of the write-ahead log", s.syncs);
  one(out, "store_checkpoints_total", "counter", "checkpoints", s.checkpoints);
  one(out, "store_folds_total", "counter", "folds", s.folds);
  one(out, "store_folds_failed_total", "counter", "folds that failed", s.folds_failed);
  one(out, "store_fold_bytes_total", "counter", "compacted states written", s.fold_bytes);
  one(out, "store_loads_total", "counter", "boards loaded", s.loads);
  one(out, "store_loads_unreadable_total", "counter", "boards that could not be read", s.loads_unreadable);
  one(out, "store_write_failures_total", "counter", "commits that failed", s.write_failures);
  one(out, "store_sync_failures_total", "counter", "syncs that failed", s.sync_failures);
  one(out, "store_reopens_total", "counter", "times the database was reopened", s.reopens);
  histogram(out, "store_commit_seconds", "time of a commit", s.commit_us);
  histogram(out, "store_sync_seconds", "time of a sync", s.sync_us);
}

static void net_metrics(gs_buf *out, const gs_net *net)
{
  gs_net_stats n;
  gs_net_get_stats(net, &n);
  one(out, "net_connections", "gauge", "connections", n.connections);
  one(out, "net_websockets", "gauge", "of them, WebSockets", n.websockets);
  one(out, "net_queue_bytes", "gauge", "bytes queued for connections", n.queue_bytes);
  one(out, "net_accepted_total", "counter", "connections accepted", n.accepted);
  one(out, "net_refused_total", "counter", "connections refused for want of room", n.refused);
  one(out, "net_requests_total", "counter", "HTTP requests", n.requests);
  one(out, "net_upgrades_total", "counter", "WebSocket upgrades", n.upgrades);
  one(out, "net_bad_requests_total", "counter", "malformed HTTP requests", n.bad_requests);
  one(out, "net_bad_frames_total", "counter", "malformed WebSocket frames", n.bad_frames);
  one(out, "net_timeouts_total", "counter", "connections dropped by a time limit", n.timeouts);
  one(out, "net_overflows_total", "counter", "send queues that were full", n.overflows);
  one(out, "net_bytes_in_total", "counter", "bytes received", n.bytes_in);
  one(out, "net_bytes_out_total", "counter", "bytes sent", n.bytes_out);
  one(out, "net_messages_in_total", "counter", "WebSocket messages received", n.messages_in);
  one(out, "net_messages_out_total", "counter", "WebSocket messages queued", n.messages_out);
  one(out, "net_reads_total", "counter", "system calls that read", n.reads);
  one(out, "net_writes_total", "counter", "system calls that wrote", n.writes);
}

void gs_api_metrics(gs_api *api, gs_conn *conn)
{
  gs_buf out = gs_buf_make(NULL);
  gs_buf_printf(&out, "# HELP gesso_build_info version of the server\n# TYPE gesso_build_info gauge\n"
                      "gesso_build_info{version=\"%s\"} 1\n",
                gesso_version());
  one(&out, "uptime_seconds", "gauge", "since the start",
      (gs_loop_now_ms(api->rooms->loop) - api->started_ms) / 1000);
  one(&out, "boards_in_memory", "gauge", "boards in memory", api->rooms->count);
  one(&out, "boards_read_only", "gauge", "1 while nothing can be stored", api->rooms->read_only);
  one(&out, "sessions", "gauge", "clients on boards", api->rooms->sessions);
  one(&out, "images_bytes", "gauge", "stored images", gs_images_total(api->images));
  one(&out, "images_bytes_max", "gauge", "quota of stored images", GS_LIMIT_IMAGES_TOTAL_LEN);
#define GS_COUNTER_LINE(name, help) one(&out, #name "_total", "counter", help, api->counters->name);
  GS_COUNTERS(GS_COUNTER_LINE)
#undef GS_COUNTER_LINE
  net_metrics(&out, api->net);
  store_metrics(&out, api->store);
  if (out.err != GESSO_OK) {
    gs_api_error(api, conn, 503, "the server is out of memory");
  } else {
    gs_response r = { .status = 200, .content_type = "text/plain; version=0.0.4; charset=utf-8",
                      .extra = "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n",
                      .body = gs_buf_bytes(&out) };
    (void)gs_conn_respond(conn, &r);
  }
  gs_buf_finish(&out);
}
