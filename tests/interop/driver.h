/* What the files of the driver share: arguments, results and the tables of commands. */
#ifndef GS_TESTS_DRIVER_H
#define GS_TESTS_DRIVER_H

#include "gesso/gesso.h"
#include "wire/reader.h"
#include "wire/writer.h"

#include <stdbool.h>

#define SLOTS 64

struct call {
  gs_reader rd;
  gesso_doc **slot;
  gesso_doc *doc; /* *slot */
  gesso_buffer result;
  gesso_error error;
};

/* One command. Its comment in the table says what stands after the slot and what comes back:
 * n varUint, b varUint length and bytes, v value (arg_value in driver_edit.c). driver.mjs has a method for each. */
struct command {
  const char *name;
  gesso_status (*run)(struct call *c);
  bool without_doc; /* the slot may be empty */
};

/* Each ends with a command without name. */
extern const struct command awareness_commands[];
extern const struct command bytes_commands[];
extern const struct command doc_commands[];
extern const struct command edit_commands[];
extern const struct command event_commands[];
extern const struct command position_commands[];
extern const struct command read_commands[];
extern const struct command snapshot_commands[];
extern const struct command subdoc_commands[];
extern const struct command undo_commands[];
extern const struct command value_commands[];

_Noreturn void broken(const char *why);
/* For commands that speak of a second document. */
gesso_doc **slot_at(uint64_t slot);
gesso_status give_number(struct call *c, uint64_t n);

gesso_value arg_value(struct call *c);
const gesso_value *arg_values(struct call *c, size_t *count_out);

static inline uint64_t arg(struct call *c)
{
  return gs_read_varuint(&c->rd);
}

static inline gesso_bytes arg_bytes(struct call *c)
{
  return gs_read_bytes(&c->rd);
}

static inline gesso_type arg_type(struct call *c)
{
  return (gesso_type)gs_read_varuint(&c->rd);
}

#endif
