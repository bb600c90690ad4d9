/* Whole files in and out for the command's verbs, with their error messages. */
#ifndef GS_CLI_FILEIO_H
#define GS_CLI_FILEIO_H

#include "base/buf.h"

/* Reads a file ("-": standard input) to its end into `out`. False after saying on stderr why not;
 * `who` opens the message ("gesso doc merge"). */
bool gs_cli_read_file(const char *who, const char *path, gs_buf *out);

/* Writes a file ("-" or NULL: standard output). A regular file appears whole or not at all: it is
 * written beside its name, synced and renamed. False after saying on stderr why not. */
bool gs_cli_write_file(const char *who, const char *path, gesso_bytes bytes);

#endif
