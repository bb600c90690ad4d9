/* gesso/types.h: the shared types inside a document: reading them and editing them.
 *
 * Indexes and lengths of text count UTF-16 code units, as in Yjs; those of arrays count elements.
 * Every edit is a transaction of its own unless it stands between gesso_doc_begin and _commit. */
#ifndef GESSO_TYPES_H
#define GESSO_TYPES_H

#include "gesso/value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The root type of that name; made (empty) when there is none, of the kind that is asked for first. Any kind may be asked
 * for any root, and readers that take one show it as that. 0 when memory is short, when the name is no UTF-8, or
 * for a kind that no root can have. */
GESSO_API gesso_type gesso_doc_root(gesso_doc *doc, gesso_bytes name, gesso_type_kind kind);

/* The root type of that name if there is one, 0 otherwise. */
GESSO_API gesso_type gesso_doc_find_root(const gesso_doc *doc, gesso_bytes name);

/* The kind of a type. A root that nobody asked for with a kind yet is GESSO_E_NOTFOUND. USAGE. */
GESSO_API GESSO_MUST_USE gesso_status gesso_type_get_kind(const gesso_doc *doc, gesso_type type,
                                                          gesso_type_kind *out);
/* The type that holds it, 0 for roots. */
GESSO_API gesso_type gesso_type_parent(const gesso_doc *doc, gesso_type type);
/* 1 when it was deleted, or is inside something that was. */
GESSO_API int gesso_type_is_deleted(const gesso_doc *doc, gesso_type type);
/* The name of a root, or the node name of an XML element or hook; otherwise {NULL, 0}. Borrowed until
 * the document changes. */
GESSO_API gesso_bytes gesso_type_name(const gesso_doc *doc, gesso_type type);

/* The id of the struct that holds a nested type: the same in every replica. USAGE: no such type. NOTFOUND: a root,
 * which has a name instead, or a type whose content is gone. */
GESSO_API GESSO_MUST_USE gesso_status gesso_type_get_id(const gesso_doc *doc, gesso_type type, uint64_t *client_out,
                                                        uint64_t *clock_out);
/* The nested type that the struct with that id holds, or 0. */
GESSO_API gesso_type gesso_doc_find_type(const gesso_doc *doc, uint64_t client, uint64_t clock);

/* Elements of an array or XML fragment, UTF-16 units of text, keys of a map. */
GESSO_API uint64_t gesso_type_length(gesso_doc *doc, gesso_type type);

/* --- Map. `made_out` (may be NULL) receives the new type of GESSO_VALUE_TYPE.
 * Errors: USAGE (no such type, bad value, malformed JSON), DELETED, NOMEM, LIMIT (nesting). --- */
GESSO_API GESSO_MUST_USE gesso_status gesso_map_set(gesso_doc *doc, gesso_type map, gesso_bytes key,
                                                    gesso_value value, gesso_type *made_out);
/* NOTFOUND when the key is not set. */
GESSO_API GESSO_MUST_USE gesso_status gesso_map_remove(gesso_doc *doc, gesso_type map, gesso_bytes key);
/* Removes every key (Yjs: YMap.clear). */
GESSO_API GESSO_MUST_USE gesso_status gesso_map_clear(gesso_doc *doc, gesso_type map);
/* The value under `key`: one value in *out. NOTFOUND when it is not set. NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_map_get(gesso_doc *doc, gesso_type map, gesso_bytes key,
                                                    gesso_values *out);
/* All entries, keys and values, in no particular order. USAGE: no such type. NOMEM. Also the attributes of XML
 * types, which the calls of this part set, remove and read as keys of a map. */
GESSO_API GESSO_MUST_USE gesso_status gesso_map_entries(gesso_doc *doc, gesso_type map, gesso_values *out);
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

/* The values at index .. index + count - 1; fewer when the array ends before. Also the children of XML.
 * USAGE: no such type. NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_array_get(gesso_doc *doc, gesso_type array, uint64_t index,
                                                      uint64_t count, gesso_values *out);
/* Value `index` as JSON text. NOTFOUND when the array ends before or the value is undefined. */
GESSO_API GESSO_MUST_USE gesso_status gesso_array_get_json(gesso_doc *doc, gesso_type array, uint64_t index,
                                                           gesso_buffer *out);

/* --- XML. 0: there is none. --- */

/* The siblings of an XML type inside its parent; text is one too. What is no shared type is passed over. */
GESSO_API gesso_type gesso_xml_next_sibling(const gesso_doc *doc, gesso_type xml);
GESSO_API gesso_type gesso_xml_prev_sibling(const gesso_doc *doc, gesso_type xml);
GESSO_API gesso_type gesso_xml_first_child(const gesso_doc *doc, gesso_type xml);
/* The type that comes after `at` in document order inside `root`, its descendants first; `at` == root
 * gives the first one (Yjs: YXmlTreeWalker without a filter). */
GESSO_API gesso_type gesso_xml_walk_next(const gesso_doc *doc, gesso_type root, gesso_type at);

/* --- Text. `attributes_json` is a JSON object of formats, or {NULL, 0}: as the text around it (embeds and types: none).
 * A null value ends a format. Errors: USAGE (no such type, past the end, no UTF-8, malformed JSON), DELETED, LIMIT,
 * NOMEM; where there are formats, NOMEM can come when a part of them has been written. --- */
GESSO_API GESSO_MUST_USE gesso_status gesso_text_insert(gesso_doc *doc, gesso_type text, uint64_t index_utf16,
                                                        gesso_bytes utf8, gesso_bytes attributes_json);
GESSO_API GESSO_MUST_USE gesso_status gesso_text_embed(gesso_doc *doc, gesso_type text, uint64_t index_utf16,
                                                       gesso_bytes embed_json, gesso_bytes attributes_json);
GESSO_API GESSO_MUST_USE gesso_status gesso_text_remove(gesso_doc *doc, gesso_type text, uint64_t index_utf16,
                                                        uint64_t count_utf16);
GESSO_API GESSO_MUST_USE gesso_status gesso_text_format(gesso_doc *doc, gesso_type text, uint64_t index_utf16,
                                                        uint64_t count_utf16, gesso_bytes attributes_json);

/* Applies a delta: a JSON array of {"insert": string or embed, "attributes"?}, {"delete": n} and {"retain": n,
 * "attributes"?}, as YText.applyDelta does: an insert without attributes has none, deletions end with the text,
 * a retain past its end appends line breaks (up to 65,536), and the line break that Yjs drops with `sanitize: false`
 * is kept. USAGE: malformed; nothing has changed then. DELETED. LIMIT. NOMEM, which may come after a part of it was
 * applied. */
GESSO_API GESSO_MUST_USE gesso_status gesso_text_apply_delta(gesso_doc *doc, gesso_type text,
                                                             gesso_bytes delta_json);
/* The same from changes in memory. INSERT takes one value: a string, a new type, or an embed of what JSON has; its
 * length is not looked at. Attributes are what JSON has. */
GESSO_API GESSO_MUST_USE gesso_status gesso_text_apply_changes(gesso_doc *doc, gesso_type text,
                                                               const gesso_change *changes, size_t count);
/* Embeds a new shared type (`made_out`, may be NULL) or a value that JSON has; a string counts as one element too.
 * USAGE: past the end, malformed, or a value that JSON does not have (bytes, bigint, undefined, a document). */
GESSO_API GESSO_MUST_USE gesso_status gesso_text_embed_value(gesso_doc *doc, gesso_type text, uint64_t index_utf16,
                                                             gesso_value value, gesso_bytes attributes_json,
                                                             gesso_type *made_out);
/* The text as INSERT changes with their attributes. USAGE: no such type. NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_text_get_delta(gesso_doc *doc, gesso_type text, gesso_changes *out);

/* UTF-16 units and UTF-8 bytes of the visible characters of a text: gives the other unit of the same place. An
 * embed or type is one unit and one byte. A place inside a character goes to its start. USAGE: past the end, or no
 * such type. NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_text_utf16_of_bytes(gesso_doc *doc, gesso_type text,
                                                                uint64_t offset_bytes, uint64_t *out_utf16);
GESSO_API GESSO_MUST_USE gesso_status gesso_text_bytes_of_utf16(gesso_doc *doc, gesso_type text,
                                                                uint64_t index_utf16, uint64_t *out_bytes);

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
