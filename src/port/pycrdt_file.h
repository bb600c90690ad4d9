/* FileYStore of pycrdt-store and ypy-websocket: "VERSION:2\n", then for each update three varBytes: the update v1, the
 * application's metadata, and the time (8 bytes, a little endian double). Version 1 has no times. */
#ifndef GS_PORT_PYCRDT_FILE_H
#define GS_PORT_PYCRDT_FILE_H

#include "wire/reader.h"

/* Reads the head. 1 or 2; 0, with an error in `rd`, for anything else. */
unsigned gs_pycrdt_file_head(gs_reader *rd);

/* Reads the next update; only its bytes are borrowed out. False: an error in `rd`. */
bool gs_pycrdt_file_next(gs_reader *rd, unsigned version, gesso_bytes *update);

#endif
