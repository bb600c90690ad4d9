/* Bugs that somebody could have made, put between two object files when the simulation is linked (-Wl,--wrap), and
 * asleep unless one is asked for. What is shipped knows nothing of them. */
#include "sim.h"

#include "server/room.h"
#include "store/backend.h"

plant planted = PLANT_NONE;
static uint64_t last_row;

const char *plant_name(plant p)
{
  static const char *const names[PLANTS] = {
    [PLANT_NONE] = "none",
    [PLANT_FOLD] = "fold-without-watermark",
    [PLANT_ACK] = "acknowledge-before-sync",
    [PLANT_BROADCAST] = "broadcast-before-write",
    [PLANT_MISSED] = "missed-not-asked-for",
  };
  return names[p];
}

void plant_begin(void)
{
  last_row = 0;
}

/* The names that --wrap gives to what takes the place of a function and to the function itself. NOLINTBEGIN */

gesso_status __real_gs_backend_put_row(gs_backend *be, uint64_t num, const gs_stored_row *row);
gesso_status __wrap_gs_backend_put_row(gs_backend *be, uint64_t num, const gs_stored_row *row);
gesso_status __real_gs_backend_put_state(gs_backend *be, gesso_bytes name, const gs_folded *state, uint64_t upto,
                                         uint64_t version, int64_t now_ms);
gesso_status __wrap_gs_backend_put_state(gs_backend *be, gesso_bytes name, const gs_folded *state, uint64_t upto,
                                         uint64_t version, int64_t now_ms);
gesso_status __real_gs_backend_sync(gs_backend *be);
gesso_status __wrap_gs_backend_sync(gs_backend *be);
gesso_status __real_gesso_board_persistence_append(gesso_persistence *p, gesso_bytes name, uint64_t generation,
                                                   gesso_bytes update, uint32_t flags, gesso_persistence_fn on_written,
                                                   gesso_persistence_fn on_synced, void *ctx);
gesso_status __wrap_gesso_board_persistence_append(gesso_persistence *p, gesso_bytes name, uint64_t generation,
                                                   gesso_bytes update, uint32_t flags, gesso_persistence_fn on_written,
                                                   gesso_persistence_fn on_synced, void *ctx);
void __real_gs_room_retry(gs_room *room);
void __wrap_gs_room_retry(gs_room *room);

gesso_status __wrap_gs_backend_put_row(gs_backend *be, uint64_t num, const gs_stored_row *row)
{
  last_row = row->id;
  return __real_gs_backend_put_row(be, num, row);
}

/* A fold counts everything in the journal as contained in it, also what came while it was being made. */
gesso_status __wrap_gs_backend_put_state(gs_backend *be, gesso_bytes name, const gs_folded *state, uint64_t upto,
                                         uint64_t version, int64_t now_ms)
{
  if (planted == PLANT_FOLD && last_row > upto)
    upto = last_row;
  return __real_gs_backend_put_state(be, name, state, upto, version, now_ms);
}

/* Says that the disk has it, and did not ask. */
gesso_status __wrap_gs_backend_sync(gs_backend *be)
{
  return planted == PLANT_ACK ? GESSO_OK : __real_gs_backend_sync(be);
}

/* Shows an update to others as soon as it is on its way to the store. */
gesso_status __wrap_gesso_board_persistence_append(gesso_persistence *p, gesso_bytes name, uint64_t generation,
                                                   gesso_bytes update, uint32_t flags, gesso_persistence_fn on_written,
                                                   gesso_persistence_fn on_synced, void *ctx)
{
  bool early = planted == PLANT_BROADCAST && on_written != NULL;
  gesso_status s = __real_gesso_board_persistence_append(p, name, generation, update, flags, early ? NULL : on_written,
                                                         on_synced, ctx);
  if (s == GESSO_OK && early)
    on_written(ctx, GESSO_OK);
  return s;
}

/* Forgets, when the disk has room again, who drew in vain. */
void __wrap_gs_room_retry(gs_room *room)
{
  for (gs_session *s = room->sessions; planted == PLANT_MISSED && s != NULL; s = s->next)
    s->missed = false;
  __real_gs_room_retry(room);
}
/* NOLINTEND */
