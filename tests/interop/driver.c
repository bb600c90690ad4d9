/* gesso behind a pipe, for the tests in JavaScript: a stream of small commands on standard input,
 * one answer to each on standard output, so that thousands of documents need one process.
 *
 *   command   u32 little endian length, then: u8 opcode, varUint slot, arguments
 *   answer    u32 little endian length, then: u8 gesso_status, and
 *             when it is 0 the result; else varUint offset, the message as text
 *
 * Arguments are lib0: varUint (n), varUint length and bytes (b), values as in read_value(). A slot
 * holds one document. Opcodes and arguments are in the table at the end of the file. A command stream
 * is written by our own tests: what breaks its form ends the process. */
#include "gesso/types.h"
#include "wire/reader.h"
#include "wire/writer.h"

#include <stdio.h>
#include <stdlib.h>

#define SLOTS 32
#define VALUES_MAX 256

static gesso_doc *docs[SLOTS];

struct call {
  gs_reader rd;
  gesso_doc **slot;
  gesso_doc *doc;
  gesso_buffer result;
  gesso_error error;
};

static _Noreturn void broken(const char *why)
{
  fprintf(stderr, "driver: %s\n", why);
  exit(3);
}

/* --- arguments and results --- */

static uint64_t arg(struct call *c)
{
  return gs_read_varuint(&c->rd);
}

static gesso_bytes arg_bytes(struct call *c)
{
  return gs_read_bytes(&c->rd);
}

static gesso_type arg_type(struct call *c)
{
  return (gesso_type)gs_read_varuint(&c->rd);
}

/* n value kind, n type kind, 8 bytes of double, b bytes */
static gesso_value read_value(struct call *c)
{
  gesso_value v = { .kind = (gesso_value_kind)arg(c), .type = (gesso_type_kind)arg(c) };
  uint64_t bits = gs_read_u64be(&c->rd);
  memcpy(&v.number, &bits, sizeof bits);
  v.bytes = arg_bytes(c);
  return v;
}

static gesso_status give_number(struct call *c, uint64_t n)
{
  gs_buf out = gs_buf_make(NULL);
  gs_write_varuint(&out, n);
  c->result = gs_buf_take(&out);
  return GESSO_OK;
}

/* --- commands --- */

static gesso_status do_new(struct call *c)
{
  gesso_doc_destroy(*c->slot);
  gesso_doc_options options = { .size = sizeof options, .client_id = arg(c) };
  options.flags = (uint32_t)arg(c);
  *c->slot = gesso_doc_create(&options);
  return *c->slot != NULL ? GESSO_OK : GESSO_E_NOMEM;
}

static gesso_status do_drop(struct call *c)
{
  gesso_doc_destroy(*c->slot);
  *c->slot = NULL;
  return GESSO_OK;
}

static gesso_status do_apply(struct call *c)
{
  return gesso_doc_apply_v1(c->doc, arg_bytes(c), &c->error);
}

static gesso_status do_encode(struct call *c)
{
  return gesso_doc_encode_v1(c->doc, arg_bytes(c), &c->result, &c->error);
}

static gesso_status do_state_vector(struct call *c)
{
  return gesso_doc_state_vector(c->doc, &c->result);
}

static gesso_status do_state_vector_json(struct call *c)
{
  return gesso_doc_state_vector_json(c->doc, &c->result);
}

static gesso_status do_pending(struct call *c)
{
  return gesso_doc_pending_json(c->doc, &c->result);
}

static gesso_status do_check(struct call *c)
{
  return gesso_doc_check(c->doc, &c->error);
}

static gesso_status do_root(struct call *c)
{
  gesso_bytes name = arg_bytes(c);
  return give_number(c, gesso_doc_root(c->doc, name, (gesso_type_kind)arg(c)));
}

static gesso_status do_to_json(struct call *c)
{
  gesso_type type = arg_type(c);
  return gesso_type_to_json(c->doc, type, (gesso_type_kind)arg(c), &c->result);
}

static gesso_status do_to_string(struct call *c)
{
  return gesso_text_to_string(c->doc, arg_type(c), &c->result);
}

static gesso_status do_to_delta(struct call *c)
{
  return gesso_text_to_delta(c->doc, arg_type(c), &c->result);
}

static gesso_status do_xml_to_string(struct call *c)
{
  gesso_type type = arg_type(c);
  return gesso_xml_to_string(c->doc, type, (gesso_type_kind)arg(c), &c->result);
}

static gesso_status do_length(struct call *c)
{
  return give_number(c, gesso_type_length(c->doc, arg_type(c)));
}

static gesso_status do_begin(struct call *c)
{
  gesso_doc_begin(c->doc);
  return GESSO_OK;
}

static gesso_status do_commit(struct call *c)
{
  return gesso_doc_commit(c->doc, &c->result);
}

/* `type` is read when the call has filled it, not when the arguments are put together. */
static gesso_status made(struct call *c, gesso_status s, const gesso_type *type)
{
  return s == GESSO_OK ? give_number(c, *type) : s;
}

static gesso_status do_map_set(struct call *c)
{
  gesso_type map = arg_type(c), type = 0;
  gesso_bytes key = arg_bytes(c);
  gesso_value value = read_value(c);
  return made(c, gesso_map_set(c->doc, map, key, value, &type), &type);
}

static gesso_status do_map_remove(struct call *c)
{
  gesso_type map = arg_type(c);
  return gesso_map_remove(c->doc, map, arg_bytes(c));
}

static gesso_status do_map_get_json(struct call *c)
{
  gesso_type map = arg_type(c);
  return gesso_map_get_json(c->doc, map, arg_bytes(c), &c->result);
}

static gesso_status do_map_get_type(struct call *c)
{
  gesso_type map = arg_type(c);
  return give_number(c, gesso_map_get_type(c->doc, map, arg_bytes(c)));
}

static gesso_status do_array_insert(struct call *c)
{
  gesso_type array = arg_type(c), type = 0;
  uint64_t index = arg(c), count = arg(c);
  static gesso_value values[VALUES_MAX];
  if (count > VALUES_MAX)
    broken("too many values");
  for (uint64_t i = 0; i < count; i++)
    values[i] = read_value(c);
  return made(c, gesso_array_insert(c->doc, array, index, values, count, &type), &type);
}

static gesso_status do_array_remove(struct call *c)
{
  gesso_type array = arg_type(c);
  uint64_t index = arg(c);
  return gesso_array_remove(c->doc, array, index, arg(c));
}

static gesso_status do_array_get_type(struct call *c)
{
  gesso_type array = arg_type(c);
  return give_number(c, gesso_array_get_type(c->doc, array, arg(c)));
}

static gesso_status do_text_insert(struct call *c)
{
  gesso_type text = arg_type(c);
  uint64_t index = arg(c);
  gesso_bytes utf8 = arg_bytes(c);
  return gesso_text_insert(c->doc, text, index, utf8, arg_bytes(c));
}

static gesso_status do_text_embed(struct call *c)
{
  gesso_type text = arg_type(c);
  uint64_t index = arg(c);
  gesso_bytes embed = arg_bytes(c);
  return gesso_text_embed(c->doc, text, index, embed, arg_bytes(c));
}

static gesso_status do_text_remove(struct call *c)
{
  gesso_type text = arg_type(c);
  uint64_t index = arg(c);
  return gesso_text_remove(c->doc, text, index, arg(c));
}

static gesso_status do_text_format(struct call *c)
{
  gesso_type text = arg_type(c);
  uint64_t index = arg(c), count = arg(c);
  return gesso_text_format(c->doc, text, index, count, arg_bytes(c));
}

static gesso_status do_stats(struct call *c)
{
  gesso_doc_stats st;
  gesso_doc_get_stats(c->doc, &st);
  gs_buf out = gs_buf_make(NULL);
  gs_buf_printf(&out, "{\"structs\":%llu,\"deleted\":%llu,\"clients\":%llu,\"pending\":%llu,\"memory\":%llu}",
                (unsigned long long)st.structs, (unsigned long long)st.deleted_structs, (unsigned long long)st.clients,
                (unsigned long long)st.pending_structs, (unsigned long long)st.memory_bytes);
  c->result = gs_buf_take(&out);
  return GESSO_OK;
}

/* Arguments after the slot: n varUint, b bytes, v value. driver.mjs has the same numbers. */
static gesso_status (*const commands[])(struct call *) = {
  [1] = do_new,              /* n client id, n flags */
  [2] = do_drop,             /* */
  [3] = do_apply,            /* b update */
  [4] = do_encode,           /* b state vector -> update */
  [5] = do_state_vector,     /* -> bytes */
  [6] = do_state_vector_json, /* -> text */
  [7] = do_pending,          /* -> text */
  [8] = do_check,            /* */
  [9] = do_root,             /* b name, n kind -> n type */
  [10] = do_to_json,         /* n type, n kind -> text */
  [11] = do_to_string,       /* n type -> text */
  [12] = do_to_delta,        /* n type -> text */
  [13] = do_xml_to_string,   /* n type, n kind -> text */
  [14] = do_length,          /* n type -> n */
  [15] = do_begin,           /* */
  [16] = do_commit,          /* -> update */
  [17] = do_map_set,         /* n type, b key, v value -> n type */
  [18] = do_map_remove,      /* n type, b key */
  [19] = do_map_get_json,    /* n type, b key -> text */
  [20] = do_map_get_type,    /* n type, b key -> n type */
  [21] = do_array_insert,    /* n type, n index, n count, v... -> n type */
  [22] = do_array_remove,    /* n type, n index, n count */
  [23] = do_array_get_type,  /* n type, n index -> n type */
  [24] = do_text_insert,     /* n type, n index, b utf8, b attributes */
  [25] = do_text_embed,      /* n type, n index, b json, b attributes */
  [26] = do_text_remove,     /* n type, n index, n count */
  [27] = do_text_format,     /* n type, n index, n count, b attributes */
  [28] = do_stats,           /* -> text */
};

static void answer(struct call *c, gesso_status s)
{
  gs_buf out = gs_buf_make(NULL);
  gs_buf_put(&out, (uint8_t)s);
  if (s == GESSO_OK) {
    gs_buf_write(&out, c->result.data, c->result.len);
  } else {
    gs_write_varuint(&out, c->error.offset);
    gs_buf_puts(&out, c->error.message != NULL ? c->error.message : gesso_status_text(s));
  }
  uint8_t head[4];
  for (int i = 0; i < 4; i++)
    head[i] = (uint8_t)(out.b.len >> (8 * i));
  if (out.err != GESSO_OK || fwrite(head, 1, 4, stdout) != 4 || fwrite(out.b.data, 1, out.b.len, stdout) != out.b.len)
    broken("cannot answer");
  gs_buf_finish(&out);
  gesso_buffer_free(&c->result);
}

static void run(gesso_bytes command)
{
  struct call c = { .rd = gs_reader_of(command) };
  uint8_t op = gs_read_u8(&c.rd);
  uint64_t slot = gs_read_varuint(&c.rd);
  if (c.rd.err != GESSO_OK || op >= GS_COUNT(commands) || commands[op] == NULL || slot >= SLOTS)
    broken("unknown command or slot");
  c.slot = &docs[slot];
  c.doc = docs[slot];
  if (c.doc == NULL && op > 2)
    broken("the slot is empty");
  gesso_status s = commands[op](&c);
  if (c.rd.err != GESSO_OK || gs_reader_left(&c.rd) != 0)
    broken("malformed arguments");
  answer(&c, s);
}

int main(void)
{
  static char big[1 << 16];
  (void)setvbuf(stdout, big, _IOFBF, sizeof big);
  uint8_t *command = NULL;
  size_t capacity = 0;
  uint8_t head[4];
  /* The answers are flushed when the input has run dry for now: see driver.mjs, which sends a whole
   * batch and closes it with a command of length 0. */
  while (fread(head, 1, 4, stdin) == 4) {
    size_t len = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    if (len == 0) {
      (void)fflush(stdout);
      continue;
    }
    /* Exactly as large as the command, so that a sanitizer sees every read past its end. */
    if (len != capacity) {
      free(command);
      command = malloc(len);
      capacity = len;
    }
    if (command == NULL || fread(command, 1, len, stdin) != len)
      broken("the command stream ends too early");
    run((gesso_bytes){ command, len });
  }
  free(command);
  for (int i = 0; i < SLOTS; i++)
    gesso_doc_destroy(docs[i]);
  return fflush(stdout) == 0 ? 0 : 3;
}
