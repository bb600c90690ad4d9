/* gesso/value.h: values that shared types hold, as they are written and as they are read. */
#ifndef GESSO_VALUE_H
#define GESSO_VALUE_H

#include "gesso/doc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Names a shared type inside its document; 0 is none. Valid as long as the document. A type that
 * was deleted reads as empty, and editing it is GESSO_E_DELETED. */
typedef uint32_t gesso_type;

typedef enum gesso_type_kind {
  GESSO_ARRAY = 0, /* the numbers are those of the update format (YArrayRefID ...) */
  GESSO_MAP = 1,
  GESSO_TEXT = 2,
  GESSO_XML_ELEMENT = 3,
  GESSO_XML_FRAGMENT = 4,
  GESSO_XML_HOOK = 5,
  GESSO_XML_TEXT = 6,
  GESSO_WEAK_LINK = 7 /* yrs only; see gesso/weak.h */
} gesso_type_kind;

typedef enum gesso_value_kind {
  GESSO_VALUE_UNDEFINED,
  GESSO_VALUE_NULL,
  GESSO_VALUE_BOOL,   /* number != 0 */
  GESSO_VALUE_NUMBER, /* number: a JavaScript number */
  GESSO_VALUE_STRING, /* bytes: UTF-8 */
  GESSO_VALUE_BYTES,  /* bytes: a Uint8Array */
  GESSO_VALUE_JSON,   /* written only. bytes: JSON text of any value, stored as lib0 Any */
  GESSO_VALUE_TYPE,   /* written: a new, empty shared type of kind `type`; XML elements and hooks: bytes is
                         the node name. Read: `ref` is the shared type, `type` its kind */
  GESSO_VALUE_BIGINT, /* integer: a JavaScript BigInt of 64 bits */
  GESSO_VALUE_ARRAY,  /* items[count], up to 512 levels; no types or documents inside */
  GESSO_VALUE_OBJECT, /* keys[count] and items[count], the same. Keys go into the order that a JavaScript object has,
                         and of equal ones the last value counts */
  GESSO_VALUE_DOC     /* doc: a subdocument (gesso/doc.h). Written: a document that is in no other one and not around
                         this one; the parent takes a reference of its own. Read: borrowed from the parent, until
                         the end of the transaction that removes it */
} gesso_value_kind;

typedef struct gesso_value {
  gesso_value_kind kind;
  gesso_type_kind type;
  double number;
  gesso_bytes bytes;
  int64_t integer;
  const struct gesso_value *items;
  const gesso_bytes *keys;
  size_t count;
  gesso_type ref;
  gesso_doc *doc;
} gesso_value;

/* Values that were read, with all they point to: released with gesso_values_free, and only so. They
 * are copies and stay as they are when the document changes. */
typedef struct gesso_values {
  size_t count;
  const gesso_value *items;
  const gesso_bytes *keys; /* of a map's entries; otherwise NULL */
  void *owner;
} gesso_values;

/* Frees what `values` holds and zeroes it. NULL and a zeroed one are fine. */
GESSO_API void gesso_values_free(gesso_values *values);

/* One step of a delta, in text or in an array.
 *   INSERT  length UTF-16 units (text: value is one string, embed or type, length 1 for the latter two) or
 *           elements (array: values[length]) that were put here
 *   DELETE  length units or elements that were taken away here
 *   RETAIN  length units or elements that stay; text: with the attributes changed as said, null ends one
 * Attributes are nattributes keys and values. */
typedef enum gesso_change_kind {
  GESSO_CHANGE_INSERT = 1, /* the numbers are those of libyrs */
  GESSO_CHANGE_DELETE = 2,
  GESSO_CHANGE_RETAIN = 3
} gesso_change_kind;

typedef struct gesso_change {
  gesso_change_kind kind;
  uint64_t length;
  const gesso_value *values; /* INSERT: one for text, `length` for arrays */
  size_t nvalues;
  const gesso_bytes *attribute_keys;
  const gesso_value *attribute_values;
  size_t nattributes;
} gesso_change;

/* A delta that was read. Released with gesso_changes_free, and only so. */
typedef struct gesso_changes {
  size_t count;
  const gesso_change *items;
  void *owner;
} gesso_changes;

GESSO_API void gesso_changes_free(gesso_changes *changes);

#ifdef __cplusplus
}
#endif
#endif
