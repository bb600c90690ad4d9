/* How far an import came, kept in the data folder while it is not through: import.progress. Lines of text; the last name
 * is percent-encoded as names of files are. */
#ifndef GS_CLI_PROGRESS_H
#define GS_CLI_PROGRESS_H

#include "base/buf.h"

typedef enum gs_import_result {
  GS_IMPORT_NEW,     /* a board was made */
  GS_IMPORT_MERGED,  /* into one that was there */
  GS_IMPORT_SAME,    /* the board has all of it */
  GS_IMPORT_SKIPPED, /* not imported: it has no place here */
  GS_IMPORT_DAMAGED, /* not imported, or only in part */
  GS_IMPORT_RESULTS
} gs_import_result;

typedef struct gs_import_progress {
  gs_buf source; /* what the command line named, in full */
  gs_buf last;   /* the last document that is safe */
  uint64_t counts[GS_IMPORT_RESULTS];
} gs_import_progress;

void gs_import_progress_init(gs_import_progress *p);
void gs_import_progress_finish(gs_import_progress *p);

/* False: there is none, or it cannot be read. */
bool gs_import_progress_load(const char *folder, gs_import_progress *p);
/* False after saying why not. */
bool gs_import_progress_save(const char *who, const char *folder, const gs_import_progress *p);
void gs_import_progress_remove(const char *folder);

#endif
