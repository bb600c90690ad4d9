/* WebSocket connections that speak y-websocket: from the upgrade to a session in a room.
 *
 *   upgraded -> (first frame tells the protocol) -> joined -> gone
 *
 * Nothing is said before the client's first frame, so that other protocols can share the port. */
#ifndef GS_SERVER_SOCKET_H
#define GS_SERVER_SOCKET_H

#include "net/conn.h"
#include "server/origin.h"
#include "server/rooms.h"

/* For gs_net_callbacks; each takes the shared rooms. */
void gs_socket_upgrade(gs_rooms *rooms, const gs_origins *origins, gs_conn *conn, const gs_http_request *req);
void gs_socket_message(gs_rooms *rooms, gs_conn *conn, gs_ws_opcode opcode, gesso_bytes payload);
void gs_socket_full(gs_rooms *rooms, gs_conn *conn);
void gs_socket_drain(gs_rooms *rooms, gs_conn *conn);
void gs_socket_close(gs_rooms *rooms, gs_conn *conn, uint16_t code);

#endif
