/* Documents: making, updates in and out, state. */
#include "driver.h"

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

static gesso_status do_apply_v2(struct call *c)
{
  return gesso_doc_apply_v2(c->doc, arg_bytes(c), &c->error);
}

static gesso_status do_encode_v2(struct call *c)
{
  return gesso_doc_encode_v2(c->doc, arg_bytes(c), &c->result, &c->error);
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

static gesso_status do_begin(struct call *c)
{
  gesso_doc_begin(c->doc);
  return GESSO_OK;
}

static gesso_status do_commit(struct call *c)
{
  return gesso_doc_commit(c->doc, &c->result);
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

const struct command doc_commands[] = {
  { .name = "new", .run = do_new, .without_doc = true }, /* n client id, n flags */
  { .name = "drop", .run = do_drop, .without_doc = true },
  { .name = "apply", .run = do_apply }, /* b update */
  { .name = "encode", .run = do_encode }, /* b state vector -> update */
  { .name = "apply_v2", .run = do_apply_v2 }, /* b update */
  { .name = "encode_v2", .run = do_encode_v2 }, /* b state vector -> update */
  { .name = "state_vector", .run = do_state_vector }, /* -> bytes */
  { .name = "state_vector_json", .run = do_state_vector_json }, /* -> text */
  { .name = "pending", .run = do_pending }, /* -> text */
  { .name = "check", .run = do_check },
  { .name = "begin", .run = do_begin },
  { .name = "commit", .run = do_commit }, /* -> update */
  { .name = "stats", .run = do_stats }, /* -> text */
  { .name = NULL },
};
