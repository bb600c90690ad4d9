#include "port/yleveldb_key.h"

#include "wire/reader.h"
#include "wire/writer.h"

enum { STRING = 0, NUMBER = 1 };

static gesso_bytes read_string(gs_reader *rd)
{
  if (gs_read_u8(rd) != STRING)
    gs_reader_fail(rd, GESSO_E_CORRUPT, "a string was to stand here in the key");
  return gs_read_string(rd);
}

static bool is(gesso_bytes text, const char *what)
{
  return text.len == strlen(what) && memcmp(text.data, what, text.len) == 0;
}

gesso_status gs_ykey_parse(gesso_bytes key, gs_ykey *out, gesso_error *error)
{
  gs_reader rd = gs_reader_of(key);
  *out = (gs_ykey){ 0 };
  gesso_bytes version = read_string(&rd);
  out->name = read_string(&rd);
  if (rd.err == GESSO_OK && is(version, "v1_sv")) {
    out->kind = GS_YKEY_VECTOR;
  } else if (rd.err == GESSO_OK && is(version, "v1")) {
    gesso_bytes kind = read_string(&rd);
    if (rd.err == GESSO_OK && is(kind, "update")) {
      out->kind = GS_YKEY_UPDATE;
      if (gs_read_u8(&rd) != NUMBER)
        gs_reader_fail(&rd, GESSO_E_CORRUPT, "a number was to stand here in the key");
      out->clock = gs_read_u32be(&rd);
    } else if (rd.err == GESSO_OK && is(kind, "meta")) {
      out->kind = GS_YKEY_META;
      out->meta = read_string(&rd);
    } else {
      gs_reader_fail(&rd, GESSO_E_CORRUPT, "a key that y-leveldb does not write");
    }
  } else {
    gs_reader_fail(&rd, GESSO_E_CORRUPT, "a key that y-leveldb does not write");
  }
  if (rd.err == GESSO_OK && gs_reader_left(&rd) != 0)
    gs_reader_fail(&rd, GESSO_E_CORRUPT, "the key goes on after its end");
  return gs_reader_status(&rd, error);
}

static void write_string(gs_buf *out, gesso_bytes text)
{
  gs_buf_put(out, STRING);
  gs_write_varuint(out, text.len);
  gs_buf_write(out, text.data, text.len);
}

static gesso_bytes text(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, strlen(s) };
}

void gs_ykey_prefix(gs_buf *out, gs_ykey_kind kind, const gesso_bytes *name)
{
  write_string(out, text(kind == GS_YKEY_VECTOR ? "v1_sv" : "v1"));
  if (name == NULL)
    return;
  write_string(out, *name);
  if (kind != GS_YKEY_VECTOR)
    write_string(out, text(kind == GS_YKEY_UPDATE ? "update" : "meta"));
}

gesso_status gs_yvector_parse(gesso_bytes value, uint64_t *clock, gesso_bytes *state_vector, gesso_error *error)
{
  gs_reader rd = gs_reader_of(value);
  *clock = gs_read_varuint(&rd);
  *state_vector = gs_read_bytes(&rd);
  if (rd.err == GESSO_OK && gs_reader_left(&rd) != 0)
    gs_reader_fail(&rd, GESSO_E_CORRUPT, "there are bytes after the state vector");
  return gs_reader_status(&rd, error);
}
