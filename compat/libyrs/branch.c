/* What is the same for every shared type. */
#include "impl.h"

YRS_API int8_t ytype_kind(const Branch *branch)
{
  gesso_type_kind kind;
  if (branch == NULL || gesso_type_get_kind(branch->doc->doc, branch->type, &kind) != GESSO_OK)
    return 0;
  switch (kind) {
  case GESSO_ARRAY:
    return Y_ARRAY;
  case GESSO_MAP:
    return Y_MAP;
  case GESSO_TEXT:
    return Y_TEXT;
  case GESSO_XML_ELEMENT:
    return Y_XML_ELEM;
  case GESSO_XML_FRAGMENT:
    return Y_XML_FRAG;
  case GESSO_XML_TEXT:
    return Y_XML_TEXT;
  case GESSO_WEAK_LINK:
    return Y_WEAK_LINK;
  default:
    return 0;
  }
}

YRS_API YBranchId ybranch_id(const Branch *branch)
{
  YBranchId id = { .client_or_len = 0 };
  uint64_t client, clock;
  if (gesso_type_get_id(branch->doc->doc, branch->type, &client, &clock) == GESSO_OK) {
    id.client_or_len = (int64_t)client;
    id.variant.clock = (uint32_t)clock;
    return id;
  }
  /* The name is copied once, since the program may keep the pointer as long as the branch. */
  Branch *b = branch->doc->branches[branch->type];
  gesso_bytes name = gesso_type_name(b->doc->doc, b->type);
  if (b->name == NULL)
    b->name = yrs_string(name);
  id.client_or_len = -(int64_t)name.len;
  id.variant.name = (const uint8_t *)b->name;
  return id;
}

YRS_API Branch *ybranch_get(const YBranchId *id, YTransaction *txn)
{
  gesso_doc *doc = txn->doc->doc;
  gesso_type type;
  if (id->client_or_len >= 0)
    type = gesso_doc_find_type(doc, (uint64_t)id->client_or_len, id->variant.clock);
  else
    type = gesso_doc_find_root(doc, (gesso_bytes){ id->variant.name, (size_t)-id->client_or_len });
  return yrs_branch(txn->doc, type);
}

YRS_API uint8_t ybranch_alive(Branch *branch)
{
  return branch != NULL && !gesso_type_is_deleted(branch->doc->doc, branch->type);
}

YRS_API char *ybranch_json(Branch *branch, YTransaction *txn)
{
  gesso_type_kind kind;
  gesso_buffer out;
  (void)txn;
  if (branch == NULL || gesso_type_get_kind(branch->doc->doc, branch->type, &kind) != GESSO_OK ||
      kind == GESSO_WEAK_LINK || kind == GESSO_XML_HOOK)
    return NULL;
  gesso_status st = gesso_type_to_json(branch->doc->doc, branch->type, kind, &out);
  return yrs_take_string(st, &out);
}
