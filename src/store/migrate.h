/* The schema as a chain of numbered steps, each with a way up and a way down. `PRAGMA user_version`
 * is the number of the last step taken; the table `migrations` adds names and dates.
 *
 *   001 base           application id, table migrations, table meta
 *   002 boards         one row a board, tombstones included
 *   003 board_states   the compacted state of a board; goes with its boards row
 *   004 journal        updates in order of arrival; journal_aside: those nobody could decode
 *   005 history        states that boards had, as versions; go with their boards row
 *   006 quarantine     rows that nobody could read, moved here by a repair
 *
 * Up is what opening a data folder for writing does by itself. Down is for people: it refuses to
 * drop what holds content unless told to. */
#ifndef GS_STORE_MIGRATE_H
#define GS_STORE_MIGRATE_H

#include "gesso/base.h"

#include <sqlite3.h>
#include <stdbool.h>

enum {
  GS_MIGRATIONS = 6,           /* the newest step this build knows */
  GS_APPLICATION_ID = 0x67736f31 /* "gso1", in the file's header: file(1) and others can tell */
};

typedef struct gs_migration_info {
  int number;
  const char *name;    /* static */
  bool applied;
  int64_t applied_ms;  /* since 1970; 0 when not applied */
} gs_migration_info;

enum { GS_MIGRATE_DISCARD = 1u }; /* go down even if content is lost by it */

/* The three verbs of `gesso migrate`. They work on a folder that nobody has open for writing (status
 * also beside a writer) and wait for the disk. `why` (may be NULL) receives a sentence on failure:
 * BUSY, NOTFOUND (no data folder), VERSION (made by a newer gesso), CORRUPT (not a gesso database),
 * USAGE (no such step; or content would be lost), IO. */
gesso_status gs_migrate_status(const char *folder, gs_migration_info out[GS_MIGRATIONS], int *version_out,
                               gesso_buffer *why);
/* To `target`; 0: the newest. Makes the folder and the database when there are none. */
gesso_status gs_migrate_up(const char *folder, int target, int *from_out, int *to_out, gesso_buffer *why);
/* To `target` steps; -1: one step down. 0 is the empty database. */
gesso_status gs_migrate_down(const char *folder, int target, uint32_t flags, int *from_out, int *to_out,
                             gesso_buffer *why);

/* --- for whoever has a connection already; each step is one transaction --- */

/* The schema's number; GESSO_E_VERSION when this build does not know it, GESSO_E_CORRUPT when the
 * file is another program's. */
gesso_status gs_schema_version(sqlite3 *db, int *out);
/* SQLite result code. Before each step a database that holds anything is copied to <folder>/backups. */
int gs_schema_up(sqlite3 *db, const char *folder, int target);
int gs_schema_down(sqlite3 *db, const char *folder, int target);

#endif
