/* What `inner` of the events of libyrs.h points to. */
#ifndef LIBYRS_EVENT_H
#define LIBYRS_EVENT_H

#include "impl.h"

typedef struct yrs_event {
  YDoc *doc;
  const gesso_event *event;
} yrs_event;

#endif
