/* gesso.h: all of the library. */
#ifndef GESSO_H
#define GESSO_H

#include "gesso/awareness.h"
#include "gesso/base.h"
#include "gesso/doc.h"
#include "gesso/events.h"
#include "gesso/persistence.h"
#include "gesso/position.h"
#include "gesso/query.h"
#include "gesso/snapshot.h"
#include "gesso/types.h"
#include "gesso/undo.h"
#include "gesso/update.h"
#include "gesso/value.h"
#include "gesso/weak.h"

#endif
