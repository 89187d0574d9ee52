/* https.h - a connection of the HTTPS port: HTTP/1.1, one request at a time, or a WebSocket. */
#pragma once
#include "front/exchange.h"

/* Bring an answer back to its connection (mail.deliver of an exchange). */
void https_deliver(struct net_mail *mail, struct net_loop *loop);
