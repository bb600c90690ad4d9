/* libyrs.h: the C interface of y-crdt 0.27, as gesso implements it.
 *
 * A program written for y-crdt's libyrs compiles with this header, or with its own copy of theirs, and links with
 * build/libyrs.so or build/libyrs.a unchanged: names, struct layouts and constants are the same.
 *
 * Rules that hold everywhere
 * - Strings are UTF-8 and end with a 0. What a call takes is borrowed for that call.
 * - What a call returns is the caller's and goes back through the destroy function named at its type; strings
 *   through ystring_destroy, bytes through ybinary_destroy. Branch pointers belong to their document: the same
 *   branch is always the same pointer, valid until the document is gone.
 * - One thread at a time for each document.
 * - Where y-crdt panics (an index past the end, a write with a read transaction, short memory) the call does nothing
 *   here, and returns NULL or 0 if it returns something.
 * - Indexes and lengths of text count UTF-8 bytes, or UTF-16 units in documents made with Y_OFFSET_UTF16. */
#ifndef GESSO_LIBYRS_H
#define GESSO_LIBYRS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct YDoc YDoc;                         /* ydoc_destroy */
typedef struct Branch Branch;                     /* a shared type: text, array, map, XML or weak link */
typedef struct Transaction Transaction;
typedef struct TransactionMut TransactionMut;
typedef struct TransactionInner TransactionInner;
typedef TransactionInner YTransaction;            /* ends with ytransaction_commit */
typedef struct YWeakIter YWeakIter;               /* yweak_iter_destroy */
typedef struct YArrayIter YArrayIter;             /* yarray_iter_destroy */
typedef struct YMapIter YMapIter;                 /* ymap_iter_destroy */
typedef struct YJsonPathIter YJsonPathIter;       /* yjson_path_iter_destroy */
typedef struct YXmlAttrIter YXmlAttrIter;         /* yxmlattr_iter_destroy */
typedef struct YXmlTreeWalker YXmlTreeWalker;     /* yxmlelem_tree_walker_destroy */
typedef struct YUndoManager YUndoManager;         /* yundo_manager_destroy */
typedef struct LinkSource LinkSource;
typedef LinkSource Weak;                          /* a link or quotation that is not in a document yet: yweak_destroy */
typedef struct Unquote Unquote;
typedef struct StickyIndex StickyIndex;
typedef StickyIndex YStickyIndex;                 /* ysticky_index_destroy */
typedef struct YSubscription YSubscription;       /* yunobserve */

/* --- Tags of YInput and YOutput --- */

#define Y_JSON -9      /* input only: JSON text, stored as the value it stands for */
#define Y_JSON_BOOL -8
#define Y_JSON_NUM -7  /* a double */
#define Y_JSON_INT -6  /* 64 bits, a BigInt in JavaScript */
#define Y_JSON_STR -5
#define Y_JSON_BUF -4
#define Y_JSON_ARR -3
#define Y_JSON_MAP -2
#define Y_JSON_NULL -1
#define Y_JSON_UNDEF 0
#define Y_ARRAY 1
#define Y_MAP 2
#define Y_TEXT 3
#define Y_XML_ELEM 4
#define Y_XML_TEXT 5
#define Y_XML_FRAG 6
#define Y_DOC 7
#define Y_WEAK_LINK 8
#define Y_UNDEFINED 9  /* output only: a root that nobody asked for with a kind yet */

#define Y_TRUE 1
#define Y_FALSE 0

/* --- Flags of YOptions --- */

#define Y_OFFSET_BYTES 0
#define Y_OFFSET_UTF16 1
#define Y_SKIP_GC (1 << 1)     /* keep the content of what was deleted, for snapshots */
#define Y_AUTO_LOAD (1 << 2)   /* as a subdocument: everybody is to load it */
#define Y_SHOULD_LOAD (1 << 3) /* to be loaded here */
#define Y_CLEANUP_FMT (1 << 4) /* accepted; formats without effect are always cleaned up here, as in Yjs */

/* --- What ytransaction_apply answers; 0 is success --- */

#define ERR_CODE_IO 1
#define ERR_CODE_VAR_INT 2          /* a number is out of range */
#define ERR_CODE_EOS 3              /* the bytes end too early */
#define ERR_CODE_UNEXPECTED_VALUE 4
#define ERR_CODE_INVALID_JSON 5
#define ERR_CODE_OTHER 6
#define ERR_NOT_ENOUGH_MEMORY 7
#define ERR_TYPE_MISMATCH 8
#define ERR_CUSTOM 9
#define ERR_INVALID_PARENT 9

#define YCHANGE_ADD 1
#define YCHANGE_RETAIN 0
#define YCHANGE_REMOVE -1

#define Y_KIND_UNDO 0
#define Y_KIND_REDO 1

#define Y_EVENT_PATH_KEY 1
#define Y_EVENT_PATH_INDEX 2

#define Y_EVENT_CHANGE_ADD 1
#define Y_EVENT_CHANGE_DELETE 2
#define Y_EVENT_CHANGE_RETAIN 3

#define Y_EVENT_KEY_CHANGE_ADD 4
#define Y_EVENT_KEY_CHANGE_DELETE 5
#define Y_EVENT_KEY_CHANGE_UPDATE 6

/* --- Structs --- */

typedef struct YOptions {
  uint64_t id;               /* client id, 53 bits; 0 picks a random one */
  const char *guid;          /* NULL: a random UUID */
  const char *collection_id; /* NULL: none */
  uint8_t flags;
} YOptions;

typedef union YOutputContent {
  uint8_t flag;
  double num;
  int64_t integer;
  char *str;
  const char *buf;
  struct YOutput *array;
  struct YMapEntry *map;
  Branch *y_type;
  YDoc *y_doc;
} YOutputContent;

/* A value that was read. `len`: bytes of a string or buffer, elements of a JSON array or map, 0 for null and
 * undefined, otherwise 1. Destroyed with youtput_destroy, with all it holds (not the branches). */
typedef struct YOutput {
  int8_t tag;
  uint32_t len;
  union YOutputContent value;
} YOutput;

typedef struct YMapEntry { /* ymap_entry_destroy, when an iterator gave it */
  const char *key;
  const struct YOutput *value;
} YMapEntry;

typedef struct YXmlAttr { /* yxmlattr_destroy */
  const char *name;
  const struct YOutput *value;
} YXmlAttr;

typedef struct YStateVector {
  uint32_t entries_count;
  uint64_t *client_ids;
  uint32_t *clocks;
} YStateVector;

typedef struct YIdRange {
  uint32_t start, end; /* half open */
} YIdRange;

typedef struct YIdRangeSeq {
  uint32_t len;
  struct YIdRange *seq;
} YIdRangeSeq;

typedef struct YIdSet { /* ydelete_set_destroy */
  uint32_t entries_count;
  uint64_t *client_ids;
  struct YIdRangeSeq *ranges;
} YIdSet;

typedef struct YAfterTransactionEvent {
  struct YStateVector before_state;
  struct YStateVector after_state;
  struct YIdSet delete_set;
} YAfterTransactionEvent;

typedef struct YSubdocsEvent { /* the documents are borrowed for the callback */
  uint32_t added_len;
  uint32_t removed_len;
  uint32_t loaded_len;
  YDoc **added;
  YDoc **removed;
  YDoc **loaded;
} YSubdocsEvent;

typedef struct YPendingUpdate { /* ypending_update_destroy */
  struct YStateVector missing; /* the clocks that have to be known before anything of it can be applied */
  char *update_v1;
  uint32_t update_len;
} YPendingUpdate;

typedef struct YMapInputData {
  char **keys;
  struct YInput *values;
} YMapInputData;

typedef union YInputContent {
  uint8_t flag;
  double num;
  int64_t integer;
  char *str;
  char *buf;
  struct YInput *values;
  struct YMapInputData map;
  YDoc *doc;
  const Weak *weak;
} YInputContent;

/* A value to be written. Owns nothing: what it points to must stay until it was used. */
typedef struct YInput {
  int8_t tag;
  uint32_t len;
  union YInputContent value;
} YInput;

typedef struct YDeltaIn {
  uint8_t tag; /* Y_EVENT_CHANGE_* */
  uint32_t len;
  const struct YInput *attributes;
  const struct YInput *insert;
} YDeltaIn;

typedef struct YChunk { /* ychunks_destroy */
  struct YOutput data;
  uint32_t fmt_len;
  struct YMapEntry *fmt;
} YChunk;

typedef struct YTextEvent {
  const void *inner;
  const TransactionMut *txn;
} YTextEvent;

typedef struct YMapEvent {
  const void *inner;
  const TransactionMut *txn;
} YMapEvent;

typedef struct YArrayEvent {
  const void *inner;
  const TransactionMut *txn;
} YArrayEvent;

typedef struct YXmlEvent {
  const void *inner;
  const TransactionMut *txn;
} YXmlEvent;

typedef struct YXmlTextEvent {
  const void *inner;
  const TransactionMut *txn;
} YXmlTextEvent;

typedef struct YWeakLinkEvent {
  const void *inner;
  const TransactionMut *txn;
} YWeakLinkEvent;

typedef union YEventContent {
  struct YTextEvent text;
  struct YMapEvent map;
  struct YArrayEvent array;
  struct YXmlEvent xml_elem;
  struct YXmlTextEvent xml_text;
  struct YWeakLinkEvent weak;
} YEventContent;

typedef struct YEvent {
  int8_t tag; /* Y_TEXT, Y_ARRAY ...: which of the contents it is */
  union YEventContent content;
} YEvent;

typedef union YPathSegmentCase {
  const char *key;
  uint32_t index;
} YPathSegmentCase;

typedef struct YPathSegment { /* ypath_destroy */
  char tag;
  union YPathSegmentCase value;
} YPathSegment;

typedef struct YDeltaAttr {
  const char *key;
  struct YOutput value;
} YDeltaAttr;

/* One step of a text's change. An insertion has `len` 1, whatever was inserted. */
typedef struct YDeltaOut { /* ytext_delta_destroy */
  uint8_t tag;
  uint32_t len;
  uint32_t attributes_len;
  struct YDeltaAttr *attributes;
  struct YOutput *insert;
} YDeltaOut;

typedef struct YEventChange { /* yevent_delta_destroy */
  uint8_t tag;
  uint32_t len;
  const struct YOutput *values;
} YEventChange;

typedef struct YEventKeyChange { /* yevent_keys_destroy */
  const char *key;
  char tag;
  const struct YOutput *old_value;
  const struct YOutput *new_value;
} YEventKeyChange;

typedef struct YUndoManagerOptions {
  int32_t capture_timeout_millis; /* edits closer together than this are undone together; negative: 500 */
} YUndoManagerOptions;

typedef struct YUndoEvent {
  char kind;
  const char *origin;
  uint32_t origin_len;
  void *meta; /* what a callback puts here comes back with the same stack item */
} YUndoEvent;

typedef union YBranchIdVariant {
  uint32_t clock;
  const uint8_t *name;
} YBranchIdVariant;

/* >= 0: the client id, with `clock`. Negative: minus the bytes of a root's name, which `name` points to and which
 * has no 0 at its end. */
typedef struct YBranchId {
  int64_t client_or_len;
  union YBranchIdVariant variant;
} YBranchId;

/* --- Giving back --- */

void ydoc_destroy(YDoc *value);
void ymap_entry_destroy(struct YMapEntry *value);
void yxmlattr_destroy(struct YXmlAttr *attr);
void ystring_destroy(char *str);
void ybinary_destroy(char *ptr, uint32_t len);
void ydelete_set_destroy(struct YIdSet *ds);
void ypending_update_destroy(struct YPendingUpdate *update);
void ychunks_destroy(struct YChunk *chunks, uint32_t len);
void youtput_destroy(struct YOutput *val);
void ypath_destroy(struct YPathSegment *path, uint32_t len);
void ytext_delta_destroy(struct YDeltaOut *delta, uint32_t len);
void yevent_delta_destroy(struct YEventChange *delta, uint32_t len);
void yevent_keys_destroy(struct YEventKeyChange *keys, uint32_t len);

/* --- Documents --- */

/* Defaults: a random id, guid and collection_id NULL, byte offsets, to be loaded. */
struct YOptions yoptions(void);
YDoc *ydoc_new(void);
YDoc *ydoc_new_with_options(struct YOptions options);
/* One more reference to the same document. */
YDoc *ydoc_clone(YDoc *doc);
uint64_t ydoc_id(YDoc *doc);
char *ydoc_guid(YDoc *doc);
char *ydoc_collection_id(YDoc *doc); /* NULL: it has none */
uint8_t ydoc_should_load(YDoc *doc);
uint8_t ydoc_auto_load(YDoc *doc);
/* Asks for a subdocument's content: observers of the parent are told. */
void ydoc_load(YDoc *doc, YTransaction *parent_txn);
/* Puts an empty document, not loaded, in a subdocument's place. Tells the observers of clear and ends every other
 * subscription of `doc`. */
void ydoc_clear(YDoc *doc, YTransaction *parent_txn);

/* --- Observing documents. A subscription may outlive its document. --- */

YSubscription *ydoc_observe_updates_v1(YDoc *doc, void *state, void (*cb)(void *, uint32_t, const char *));
YSubscription *ydoc_observe_updates_v2(YDoc *doc, void *state, void (*cb)(void *, uint32_t, const char *));
YSubscription *ydoc_observe_after_transaction(YDoc *doc, void *state, void (*cb)(void *, struct YAfterTransactionEvent *));
YSubscription *ydoc_observe_subdocs(YDoc *doc, void *state, void (*cb)(void *, struct YSubdocsEvent *));
YSubscription *ydoc_observe_clear(YDoc *doc, void *state, void (*cb)(void *, YDoc *));
void yunobserve(YSubscription *subscription);

/* --- Transactions. Any number of read transactions, or one write transaction: NULL when that cannot be. Callbacks run
 * while the write transaction is committed and count as inside it. --- */

YTransaction *ydoc_read_transaction(YDoc *doc);
YTransaction *ydoc_write_transaction(YDoc *doc, uint32_t origin_len, const char *origin);
void ytransaction_commit(YTransaction *txn);
/* When the transaction ends, gives up everything deleted, also with Y_SKIP_GC. */
void ytransaction_force_gc(YTransaction *txn);
uint8_t ytransaction_writeable(YTransaction *txn);
/* The subdocuments, borrowed; the array is released with free(). */
YDoc **ytransaction_subdocs(YTransaction *txn, uint32_t *len);
/* NULL: the path is malformed. Grammar: gesso/query.h. */
YJsonPathIter *ytransaction_json_path(YTransaction *txn, const char *json_path);
struct YOutput *yjson_path_iter_next(YJsonPathIter *iter);
void yjson_path_iter_destroy(YJsonPathIter *iter);

/* --- Root types: made when there is none. ytype_get makes none. --- */

Branch *ytype_get(YTransaction *txn, const char *name);
Branch *ytext(YDoc *doc, const char *name);
Branch *yarray(YDoc *doc, const char *name);
Branch *ymap(YDoc *doc, const char *name);
Branch *yxmlfragment(YDoc *doc, const char *name);

/* --- Updates and state --- */

char *ytransaction_state_vector_v1(const YTransaction *txn, uint32_t *len);
/* What a peer with that state vector lacks; `sv` NULL: everything. NULL: `sv` is malformed. */
char *ytransaction_state_diff_v1(const YTransaction *txn, const char *sv, uint32_t sv_len, uint32_t *len);
char *ytransaction_state_diff_v2(const YTransaction *txn, const char *sv, uint32_t sv_len, uint32_t *len);
char *ytransaction_snapshot(const YTransaction *txn, uint32_t *len);
/* NULL: the document was not made with Y_SKIP_GC, or the snapshot is malformed. */
char *ytransaction_encode_state_from_snapshot_v1(const YTransaction *txn, const char *snapshot, uint32_t snapshot_len,
                                                 uint32_t *len);
char *ytransaction_encode_state_from_snapshot_v2(const YTransaction *txn, const char *snapshot, uint32_t snapshot_len,
                                                 uint32_t *len);
/* What waits for updates that did not come yet; NULL: nothing. */
struct YIdSet *ytransaction_pending_ds(const YTransaction *txn);
struct YPendingUpdate *ytransaction_pending_update(const YTransaction *txn);
/* Text for people, in gesso's words. NULL: the bytes are no update. */
char *yupdate_debug_v1(const char *update, uint32_t update_len);
char *yupdate_debug_v2(const char *update, uint32_t update_len);
/* 0 or ERR_*; applied as a whole or not at all. */
uint8_t ytransaction_apply(YTransaction *txn, const char *diff, uint32_t diff_len);
uint8_t ytransaction_apply_v2(YTransaction *txn, const char *diff, uint32_t diff_len);

/* --- Text. `attrs`: NULL or a Y_JSON_MAP of formats. --- */

uint32_t ytext_len(const Branch *txt, const YTransaction *txn);
char *ytext_string(const Branch *txt, const YTransaction *txn);
void ytext_insert(const Branch *txt, YTransaction *txn, uint32_t index, const char *value, const struct YInput *attrs);
void ytext_format(const Branch *txt, YTransaction *txn, uint32_t index, uint32_t len, const struct YInput *attrs);
void ytext_insert_embed(const Branch *txt, YTransaction *txn, uint32_t index, const struct YInput *content,
                        const struct YInput *attrs);
void ytext_insert_delta(const Branch *txt, YTransaction *txn, struct YDeltaIn *delta, uint32_t delta_len);
struct YDeltaIn ydelta_input_retain(uint32_t len, const struct YInput *attrs);
struct YDeltaIn ydelta_input_delete(uint32_t len);
struct YDeltaIn ydelta_input_insert(const struct YInput *data, const struct YInput *attrs);
void ytext_remove_range(const Branch *txt, YTransaction *txn, uint32_t index, uint32_t length);
struct YChunk *ytext_chunks(const Branch *txt, const YTransaction *txn, uint32_t *chunks_len);

/* --- Arrays --- */

uint32_t yarray_len(const Branch *array);
struct YOutput *yarray_get(const Branch *array, const YTransaction *txn, uint32_t index);
char *yarray_get_json(const Branch *array, const YTransaction *txn, uint32_t index);
void yarray_insert_range(const Branch *array, YTransaction *txn, uint32_t index, const struct YInput *items,
                         uint32_t items_len);
void yarray_remove_range(const Branch *array, YTransaction *txn, uint32_t index, uint32_t len);
YArrayIter *yarray_iter(const Branch *array, YTransaction *txn);
void yarray_iter_destroy(YArrayIter *iter);
struct YOutput *yarray_iter_next(YArrayIter *iterator);

/* --- Maps. Iterators show the entries that were there when they were made, in no particular order. --- */

YMapIter *ymap_iter(const Branch *map, const YTransaction *txn);
void ymap_iter_destroy(YMapIter *iter);
struct YMapEntry *ymap_iter_next(YMapIter *iter);
uint32_t ymap_len(const Branch *map, const YTransaction *txn);
void ymap_insert(const Branch *map, YTransaction *txn, const char *key, const struct YInput *value);
uint8_t ymap_remove(const Branch *map, YTransaction *txn, const char *key); /* 1: there was such an entry */
struct YOutput *ymap_get(const Branch *map, const YTransaction *txn, const char *key);
char *ymap_get_json(const Branch *map, const YTransaction *txn, const char *key);
void ymap_remove_all(const Branch *map, YTransaction *txn);

/* --- XML: yxmlelem_* for elements and fragments, yxmltext_* for text --- */

char *yxmlelem_tag(const Branch *xml); /* NULL: a fragment */
char *yxmlelem_string(const Branch *xml, const YTransaction *txn);
void yxmlelem_insert_attr(const Branch *xml, YTransaction *txn, const char *attr_name, const struct YInput *attr_value);
void yxmlelem_remove_attr(const Branch *xml, YTransaction *txn, const char *attr_name);
struct YOutput *yxmlelem_get_attr(const Branch *xml, const YTransaction *txn, const char *attr_name);
YXmlAttrIter *yxmlelem_attr_iter(const Branch *xml, const YTransaction *txn);
YXmlAttrIter *yxmltext_attr_iter(const Branch *xml, const YTransaction *txn);
void yxmlattr_iter_destroy(YXmlAttrIter *iterator);
struct YXmlAttr *yxmlattr_iter_next(YXmlAttrIter *iterator);
struct YOutput *yxml_next_sibling(const Branch *xml, const YTransaction *txn);
struct YOutput *yxml_prev_sibling(const Branch *xml, const YTransaction *txn);
Branch *yxmlelem_parent(const Branch *xml);
uint32_t yxmlelem_child_len(const Branch *xml, const YTransaction *txn);
struct YOutput *yxmlelem_first_child(const Branch *xml);
/* All elements and texts below `xml`, depth first. */
YXmlTreeWalker *yxmlelem_tree_walker(const Branch *xml, const YTransaction *txn);
void yxmlelem_tree_walker_destroy(YXmlTreeWalker *iter);
struct YOutput *yxmlelem_tree_walker_next(YXmlTreeWalker *iterator);
Branch *yxmlelem_insert_elem(const Branch *xml, YTransaction *txn, uint32_t index, const char *name);
Branch *yxmlelem_insert_text(const Branch *xml, YTransaction *txn, uint32_t index);
void yxmlelem_remove_range(const Branch *xml, YTransaction *txn, uint32_t index, uint32_t len);
const struct YOutput *yxmlelem_get(const Branch *xml, const YTransaction *txn, uint32_t index);
uint32_t yxmltext_len(const Branch *txt, const YTransaction *txn);
char *yxmltext_string(const Branch *txt, const YTransaction *txn);
void yxmltext_insert(const Branch *txt, YTransaction *txn, uint32_t index, const char *str, const struct YInput *attrs);
void yxmltext_insert_embed(const Branch *txt, YTransaction *txn, uint32_t index, const struct YInput *content,
                           const struct YInput *attrs);
void yxmltext_format(const Branch *txt, YTransaction *txn, uint32_t index, uint32_t len, const struct YInput *attrs);
void yxmltext_remove_range(const Branch *txt, YTransaction *txn, uint32_t idx, uint32_t len);
void yxmltext_insert_attr(const Branch *txt, YTransaction *txn, const char *attr_name, const struct YInput *attr_value);
void yxmltext_remove_attr(const Branch *txt, YTransaction *txn, const char *attr_name);
struct YOutput *yxmltext_get_attr(const Branch *txt, const YTransaction *txn, const char *attr_name);

/* --- Values to be written --- */

struct YInput yinput_null(void);
struct YInput yinput_undefined(void);
struct YInput yinput_bool(uint8_t flag);
struct YInput yinput_float(double num);
struct YInput yinput_long(int64_t integer);
struct YInput yinput_string(const char *str);
struct YInput yinput_json(const char *str);
struct YInput yinput_binary(const char *buf, uint32_t len);
struct YInput yinput_json_array(struct YInput *values, uint32_t len);
struct YInput yinput_json_map(char **keys, struct YInput *values, uint32_t len);
struct YInput yinput_yarray(struct YInput *values, uint32_t len);
struct YInput yinput_ymap(char **keys, struct YInput *values, uint32_t len);
struct YInput yinput_ytext(char *str);
struct YInput yinput_yxmlelem(char *name);
struct YInput yinput_yxmltext(char *str);
struct YInput yinput_ydoc(YDoc *doc);
/* The write that uses it takes `weak` over. */
struct YInput yinput_weak(const Weak *weak);

/* --- Values that were read: NULL when the tag is another. Pointers into `val`, except for branches. --- */

YDoc *youtput_read_ydoc(const struct YOutput *val);
const uint8_t *youtput_read_bool(const struct YOutput *val);
const double *youtput_read_float(const struct YOutput *val);
const int64_t *youtput_read_long(const struct YOutput *val);
char *youtput_read_string(const struct YOutput *val);
const char *youtput_read_binary(const struct YOutput *val);
struct YOutput *youtput_read_json_array(const struct YOutput *val);
struct YMapEntry *youtput_read_json_map(const struct YOutput *val);
Branch *youtput_read_yarray(const struct YOutput *val);
Branch *youtput_read_yxmlelem(const struct YOutput *val);
Branch *youtput_read_ymap(const struct YOutput *val);
Branch *youtput_read_ytext(const struct YOutput *val);
Branch *youtput_read_yxmltext(const struct YOutput *val);
Branch *youtput_read_yweak(const struct YOutput *val);

/* --- Observing types. Events are valid inside the callback only. --- */

YSubscription *ytext_observe(const Branch *txt, void *state, void (*cb)(void *, const struct YTextEvent *));
YSubscription *ymap_observe(const Branch *map, void *state, void (*cb)(void *, const struct YMapEvent *));
YSubscription *yarray_observe(const Branch *array, void *state, void (*cb)(void *, const struct YArrayEvent *));
YSubscription *yxmlelem_observe(const Branch *xml, void *state, void (*cb)(void *, const struct YXmlEvent *));
YSubscription *yxmltext_observe(const Branch *xml, void *state, void (*cb)(void *, const struct YXmlTextEvent *));
YSubscription *yobserve_deep(Branch *ytype, void *state, void (*cb)(void *, uint32_t, const struct YEvent *));
Branch *ytext_event_target(const struct YTextEvent *e);
Branch *yarray_event_target(const struct YArrayEvent *e);
Branch *ymap_event_target(const struct YMapEvent *e);
Branch *yxmlelem_event_target(const struct YXmlEvent *e);
Branch *yxmltext_event_target(const struct YXmlTextEvent *e);
struct YPathSegment *ytext_event_path(const struct YTextEvent *e, uint32_t *len);
struct YPathSegment *ymap_event_path(const struct YMapEvent *e, uint32_t *len);
struct YPathSegment *yxmlelem_event_path(const struct YXmlEvent *e, uint32_t *len);
struct YPathSegment *yxmltext_event_path(const struct YXmlTextEvent *e, uint32_t *len);
struct YPathSegment *yarray_event_path(const struct YArrayEvent *e, uint32_t *len);
struct YDeltaOut *ytext_event_delta(const struct YTextEvent *e, uint32_t *len);
struct YDeltaOut *yxmltext_event_delta(const struct YXmlTextEvent *e, uint32_t *len);
struct YEventChange *yarray_event_delta(const struct YArrayEvent *e, uint32_t *len);
struct YEventChange *yxmlelem_event_delta(const struct YXmlEvent *e, uint32_t *len);
struct YEventKeyChange *ymap_event_keys(const struct YMapEvent *e, uint32_t *len);
struct YEventKeyChange *yxmlelem_event_keys(const struct YXmlEvent *e, uint32_t *len);
struct YEventKeyChange *yxmltext_event_keys(const struct YXmlTextEvent *e, uint32_t *len);

/* --- Undo --- */

YUndoManager *yundo_manager(const struct YUndoManagerOptions *options);
void yundo_manager_destroy(YUndoManager *mgr);
/* With origins, only transactions that were made with one of them are undone. */
void yundo_manager_add_origin(YUndoManager *mgr, uint32_t origin_len, const char *origin);
void yundo_manager_remove_origin(YUndoManager *mgr, uint32_t origin_len, const char *origin);
/* All types of a manager are of one document here; others are ignored. */
void yundo_manager_add_scope(YUndoManager *mgr, const YDoc *doc, const Branch *ytype);
void yundo_manager_clear(YUndoManager *mgr);
/* The next edit begins a new stack item. */
void yundo_manager_stop(YUndoManager *mgr);
uint8_t yundo_manager_undo(YUndoManager *mgr);
uint8_t yundo_manager_redo(YUndoManager *mgr);
uint32_t yundo_manager_undo_stack_len(YUndoManager *mgr);
uint32_t yundo_manager_redo_stack_len(YUndoManager *mgr);
YSubscription *yundo_manager_observe_added(YUndoManager *mgr, void *state,
                                           void (*callback)(void *, const struct YUndoEvent *));
YSubscription *yundo_manager_observe_popped(YUndoManager *mgr, void *state,
                                            void (*callback)(void *, const struct YUndoEvent *));

/* --- Places that move with what they stand next to. assoc >= 0 sticks to what follows, < 0 to what precedes. --- */

void ysticky_index_destroy(YStickyIndex *pos);
int8_t ysticky_index_assoc(const YStickyIndex *pos); /* 0 or -1 */
YStickyIndex *ysticky_index_from_index(const Branch *branch, YTransaction *txn, uint32_t index, int8_t assoc);
char *ysticky_index_encode(const YStickyIndex *pos, uint32_t *len);
YStickyIndex *ysticky_index_decode(const char *binary, uint32_t len);
char *ysticky_index_to_json(const YStickyIndex *pos);
YStickyIndex *ysticky_index_from_json(const char *json);
/* Leaves the two alone when the place is not known here. */
void ysticky_index_read(const YStickyIndex *pos, const YTransaction *txn, Branch **out_branch, uint32_t *out_index);

/* --- Links and quotations: gesso/weak.h. NULL bounds of a quotation are open. --- */

void yweak_destroy(const Weak *weak);
struct YOutput *yweak_deref(const Branch *map_link, const YTransaction *txn);
void yweak_read(const Branch *text_link, const YTransaction *txn, Branch **out_branch, uint32_t *out_start_index,
                uint32_t *out_end_index);
YWeakIter *yweak_iter(const Branch *array_link, const YTransaction *txn);
void yweak_iter_destroy(YWeakIter *iter);
struct YOutput *yweak_iter_next(YWeakIter *iter);
char *yweak_string(const Branch *text_link, const YTransaction *txn);
char *yweak_xml_string(const Branch *xml_text_link, const YTransaction *txn);
YSubscription *yweak_observe(const Branch *weak, void *state, void (*cb)(void *, const struct YWeakLinkEvent *));
const Weak *ymap_link(const Branch *map, const YTransaction *txn, const char *key);
const Weak *ytext_quote(const Branch *text, YTransaction *txn, uint32_t *start_index, uint32_t *end_index,
                        int8_t start_exclusive, int8_t end_exclusive);
const Weak *yarray_quote(const Branch *array, YTransaction *txn, uint32_t *start_index, uint32_t *end_index,
                         int8_t start_exclusive, int8_t end_exclusive);

/* --- Any branch --- */

int8_t ytype_kind(const Branch *branch); /* Y_ARRAY, Y_MAP ...; 0: none of them, or not known yet */
struct YBranchId ybranch_id(const Branch *branch);
Branch *ybranch_get(const struct YBranchId *branch_id, YTransaction *txn);
uint8_t ybranch_alive(Branch *branch);
char *ybranch_json(Branch *branch, YTransaction *txn);

#ifdef __cplusplus
}
#endif
#endif
