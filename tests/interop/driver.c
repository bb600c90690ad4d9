/* gesso behind a pipe, for the tests in JavaScript: a stream of small commands on standard input,
 * one answer to each on standard output, so that thousands of documents need one process.
 *
 *   command   u32 little endian length, then: name (varUint length, bytes), varUint slot, arguments
 *   answer    u32 little endian length, then: u8 gesso_status, and
 *             when it is 0 the result; else varUint offset, the message as text
 *
 * A slot holds one document. The commands stand in tables, one file for each group: driver_*.c. A command
 * stream is written by our own tests: what breaks its form ends the process. */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>

static const struct command *const groups[] = {
  awareness_commands,
  bytes_commands,
  doc_commands,
  edit_commands,
  event_commands,
  position_commands,
  read_commands,
  snapshot_commands,
  undo_commands,
  value_commands,
  subdoc_commands,
};

static gesso_doc *docs[SLOTS];

_Noreturn void broken(const char *why)
{
  fprintf(stderr, "driver: %s\n", why);
  exit(3);
}

gesso_doc **slot_at(uint64_t slot)
{
  if (slot >= SLOTS)
    broken("unknown slot");
  return &docs[slot];
}

gesso_status give_number(struct call *c, uint64_t n)
{
  gs_buf out = gs_buf_make(NULL);
  gs_write_varuint(&out, n);
  c->result = gs_buf_take(&out);
  return GESSO_OK;
}

static const struct command *find(gesso_bytes name)
{
  for (size_t g = 0; g < GS_COUNT(groups); g++)
    for (const struct command *c = groups[g]; c->name != NULL; c++)
      if (strlen(c->name) == name.len && memcmp(c->name, name.data, name.len) == 0)
        return c;
  broken("unknown command");
}

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
  const struct command *found = find(gs_read_bytes(&c.rd));
  c.slot = slot_at(gs_read_varuint(&c.rd));
  c.doc = *c.slot;
  if (c.doc == NULL && !found->without_doc)
    broken("the slot is empty");
  gesso_status s = found->run(&c);
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
