/* What the server counts, for /metrics. One list, so that a counter cannot be forgotten there. All
 * belong to the loop's thread. */
#ifndef GS_SERVER_COUNTERS_H
#define GS_SERVER_COUNTERS_H

#include <stdint.h>

#define GS_COUNTERS(X) \
  X(joins, "connections that joined a board") \
  X(answers, "sync step 2 answers sent") \
  X(answers_shared, "of them, from the encoded state shared by newcomers") \
  X(updates_in, "updates received") \
  X(update_bytes_in, "bytes of updates received") \
  X(updates_bad, "updates refused as malformed or past a limit") \
  X(updates_missed, "updates not taken because the board was read-only") \
  X(batches, "merged updates handed to the store") \
  X(batches_raw, "turns journalled as received because something waits for missing updates") \
  X(batches_refused, "hand-overs that the store refused at first") \
  X(broadcasts, "merged updates broadcast") \
  X(deliveries, "updates queued for connections, acknowledgements included") \
  X(acks, "updates queued for those who contributed, after the sync") \
  X(presence_in, "presence messages received") \
  X(presence_taken, "presence entries that were newer") \
  X(presence_refused, "presence entries past a limit") \
  X(presence_out, "presence messages queued for connections") \
  X(keep_alives, "keep-alive frames sent") \
  X(messages_bad, "messages refused as malformed") \
  X(messages_unknown, "messages of unknown type, skipped") \
  X(dialects_refused, "first frames of a protocol that is not served") \
  X(resyncs, "slow connections whose queue was dropped and that were sent the state") \
  X(slow_closed, "slow connections closed because the state was too large to send again") \
  X(silent_closed, "connections closed because no first frame came") \
  X(rooms_loaded, "boards loaded") \
  X(rooms_unreadable, "boards that could not be loaded") \
  X(rooms_refused, "boards not loaded because too many are in memory") \
  X(rooms_full, "times a board was full when it was opened, or became so") \
  X(answers_stored, "answers from what was stored, as the disk did not take the rest") \
  X(rooms_unloaded, "boards dropped from memory") \
  X(origins_refused, "requests and sockets refused for their Origin or Host") \
  X(api_requests, "API requests") \
  X(api_errors, "API requests answered 4xx or 5xx") \
  X(images_stored, "images stored") \
  X(images_served, "images served") \
  X(images_refused, "images refused")

typedef struct gs_counters {
#define GS_COUNTER_FIELD(name, help) uint64_t name;
  GS_COUNTERS(GS_COUNTER_FIELD)
#undef GS_COUNTER_FIELD
} gs_counters;

#endif
