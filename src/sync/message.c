#include "sync/message.h"

#include "wire/writer.h"

enum { TYPE_SYNC = 0, TYPE_AWARENESS = 1, TYPE_AUTH = 2, TYPE_QUERY = 3 };
enum { SYNC_STEP1 = 0, SYNC_STEP2 = 1, SYNC_UPDATE = 2 };

const uint8_t gs_keep_alive[3] = { TYPE_AWARENESS, 1, 0 };

static void read_sync(gs_reader *rd, gs_message *out)
{
  uint64_t sub = gs_read_varuint(rd);
  if (rd->err != GESSO_OK)
    return;
  switch (sub) {
  case SYNC_STEP1:
    out->kind = GS_MESSAGE_STEP1;
    break;
  case SYNC_STEP2:
    out->kind = GS_MESSAGE_STEP2;
    break;
  case SYNC_UPDATE:
    out->kind = GS_MESSAGE_UPDATE;
    break;
  default:
    gs_reader_fail(rd, GESSO_E_CORRUPT, "unknown kind of sync message");
    return;
  }
  out->body = gs_read_bytes(rd);
}

bool gs_message_next(gs_reader *rd, gs_message *out)
{
  *out = (gs_message){ .kind = GS_MESSAGE_UNKNOWN };
  if (rd->err != GESSO_OK)
    return false;
  if (gs_reader_left(rd) == 0) {
    if (gs_reader_offset(rd) == 0)
      gs_reader_fail(rd, GESSO_E_TRUNCATED, "empty frame");
    return false;
  }
  out->type = gs_read_varuint(rd);
  if (rd->err != GESSO_OK)
    return false;
  switch (out->type) {
  case TYPE_SYNC:
    read_sync(rd, out);
    break;
  case TYPE_AWARENESS:
    out->kind = GS_MESSAGE_AWARENESS;
    out->body = gs_read_bytes(rd);
    break;
  case TYPE_AUTH:
    out->kind = GS_MESSAGE_DENIED;
    if (gs_read_varuint(rd) != 0)
      gs_reader_fail(rd, GESSO_E_CORRUPT, "unknown kind of auth message");
    out->body = gs_read_string(rd);
    break;
  case TYPE_QUERY:
    out->kind = GS_MESSAGE_QUERY;
    break;
  default:
    out->body = gs_read_raw(rd, gs_reader_left(rd));
    break;
  }
  return rd->err == GESSO_OK;
}

static void write_sync(gs_buf *buf, uint64_t sub, gesso_bytes body)
{
  gs_write_varuint(buf, TYPE_SYNC);
  gs_write_varuint(buf, sub);
  gs_write_bytes(buf, body);
}

void gs_write_step1(gs_buf *buf, gesso_bytes state_vector)
{
  write_sync(buf, SYNC_STEP1, state_vector);
}

void gs_write_step2(gs_buf *buf, gesso_bytes update)
{
  write_sync(buf, SYNC_STEP2, update);
}

void gs_write_update(gs_buf *buf, gesso_bytes update)
{
  write_sync(buf, SYNC_UPDATE, update);
}

void gs_write_awareness(gs_buf *buf, gesso_bytes awareness_update)
{
  gs_write_varuint(buf, TYPE_AWARENESS);
  gs_write_bytes(buf, awareness_update);
}

void gs_write_denied(gs_buf *buf, gesso_bytes reason)
{
  gs_write_varuint(buf, TYPE_AUTH);
  gs_write_varuint(buf, 0);
  gs_write_bytes(buf, reason);
}

void gs_write_query(gs_buf *buf)
{
  gs_write_varuint(buf, TYPE_QUERY);
}
