/* gesso/types.h: the shared types inside a document: reading them and editing them.
 *
 * Indexes and lengths of text count UTF-16 code units, as in Yjs; those of arrays count elements.
 * Every edit is a transaction of its own unless it stands between gesso_doc_begin and _commit. */
#ifndef GESSO_TYPES_H
#define GESSO_TYPES_H

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
  GESSO_XML_TEXT = 6
} gesso_type_kind;

typedef enum gesso_value_kind {
  GESSO_VALUE_UNDEFINED,
  GESSO_VALUE_NULL,
  GESSO_VALUE_BOOL,   /* number != 0 */
  GESSO_VALUE_NUMBER, /* number: a JavaScript number */
  GESSO_VALUE_STRING, /* bytes: UTF-8 */
  GESSO_VALUE_BYTES,  /* bytes: a Uint8Array */
  GESSO_VALUE_JSON,   /* bytes: JSON text of any value, stored as lib0 Any */
  GESSO_VALUE_TYPE    /* a new, empty shared type of kind `type`; XML elements: bytes is the node name */
} gesso_value_kind;

typedef struct gesso_value {
  gesso_value_kind kind;
  gesso_type_kind type;
  double number;
  gesso_bytes bytes;
} gesso_value;

/* The root type of that name; made (empty) when there is none. Any kind may be asked for any root:
 * it selects the view, as doc.getMap(name) does in Yjs. 0 when memory is short. */
GESSO_API gesso_type gesso_doc_root(gesso_doc *doc, gesso_bytes name, gesso_type_kind kind);

/* Elements of an array or XML fragment, UTF-16 units of text, keys of a map. */
GESSO_API uint64_t gesso_type_length(gesso_doc *doc, gesso_type type);

/* --- Map. `made_out` (may be NULL) receives the new type of GESSO_VALUE_TYPE.
 * Errors: USAGE (bad value, malformed JSON), DELETED, NOMEM, LIMIT. --- */
GESSO_API GESSO_MUST_USE gesso_status gesso_map_set(gesso_doc *doc, gesso_type map, gesso_bytes key,
                                                    gesso_value value, gesso_type *made_out);
/* NOTFOUND when the key is not set. */
GESSO_API GESSO_MUST_USE gesso_status gesso_map_remove(gesso_doc *doc, gesso_type map, gesso_bytes key);
/* The value under `key` as JSON text. NOTFOUND when it is not set. */
GESSO_API GESSO_MUST_USE gesso_status gesso_map_get_json(gesso_doc *doc, gesso_type map, gesso_bytes key,
                                                         gesso_buffer *out);
/* The shared type under `key`, or 0. */
GESSO_API gesso_type gesso_map_get_type(gesso_doc *doc, gesso_type map, gesso_bytes key);

/* --- Array, and the children of XML fragments and elements. USAGE when an index is past the end. --- */
GESSO_API GESSO_MUST_USE gesso_status gesso_array_insert(gesso_doc *doc, gesso_type array, uint64_t index,
                                                         const gesso_value *values, size_t count,
                                                         gesso_type *made_out);
GESSO_API GESSO_MUST_USE gesso_status gesso_array_remove(gesso_doc *doc, gesso_type array, uint64_t index,
                                                         uint64_t count);
/* The shared type at `index`, or 0. */
GESSO_API gesso_type gesso_array_get_type(gesso_doc *doc, gesso_type array, uint64_t index);

/* --- Text. `attributes_json` is a JSON object of formats, or {NULL, 0}: as the text around it. A null
 * value ends a format. --- */
GESSO_API GESSO_MUST_USE gesso_status gesso_text_insert(gesso_doc *doc, gesso_type text, uint64_t index_utf16,
                                                        gesso_bytes utf8, gesso_bytes attributes_json);
GESSO_API GESSO_MUST_USE gesso_status gesso_text_embed(gesso_doc *doc, gesso_type text, uint64_t index_utf16,
                                                       gesso_bytes embed_json, gesso_bytes attributes_json);
GESSO_API GESSO_MUST_USE gesso_status gesso_text_remove(gesso_doc *doc, gesso_type text, uint64_t index_utf16,
                                                        uint64_t count_utf16);
GESSO_API GESSO_MUST_USE gesso_status gesso_text_format(gesso_doc *doc, gesso_type text, uint64_t index_utf16,
                                                        uint64_t count_utf16, gesso_bytes attributes_json);

/* --- Reading whole types. All of them append nothing and fail with NOMEM or LIMIT (nesting) only. --- */

/* JSON as Yjs' toJSON gives it: `undefined` is left out of objects and null in arrays, bytes are
 * {"$bytes": "<base64>"}, text is a string, XML its string form. Keys in no particular order. */
GESSO_API GESSO_MUST_USE gesso_status gesso_type_to_json(gesso_doc *doc, gesso_type type, gesso_type_kind as,
                                                         gesso_buffer *out);
/* The plain text (YText.toString). */
GESSO_API GESSO_MUST_USE gesso_status gesso_text_to_string(gesso_doc *doc, gesso_type text, gesso_buffer *out);
/* The delta of a rich text as a JSON array (YText.toDelta). */
GESSO_API GESSO_MUST_USE gesso_status gesso_text_to_delta(gesso_doc *doc, gesso_type text, gesso_buffer *out);
/* XML as Yjs' toString gives it. */
GESSO_API GESSO_MUST_USE gesso_status gesso_xml_to_string(gesso_doc *doc, gesso_type xml, gesso_type_kind as,
                                                          gesso_buffer *out);

#ifdef __cplusplus
}
#endif
#endif
