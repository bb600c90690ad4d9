/* Names of boards as names of files and back. A name may be anything; a file's is letters, digits, '-', '_' and '.',
 * and %XX for every other byte. */
#ifndef GS_PORT_NAMES_H
#define GS_PORT_NAMES_H

#include "base/buf.h"

/* Appends the name as a path inside a folder. What is too long for one file name goes on in folders whose names end with
 * '%': "aaa...%/aaa". A '.' at the beginning is encoded. */
void gs_port_encode_name(gesso_bytes name, gs_buf *out);

/* Appends the name that was encoded; text that is no such encoding comes back as it is, with false. */
bool gs_port_decode_name(gesso_bytes encoded, gs_buf *out);

/* Appends the name that clients gave a room which a server knows by the path of its URL: escapes decoded, as
 * docs/protocol.md says of our own. What cannot have been in a path, or decodes to no name, comes back as it is. */
void gs_port_path_name(gesso_bytes path, gs_buf *out);

#endif
