// A man in the middle who reads along and cuts the line: TLS on both sides, with the hub's own
// certificate. Node's MQTT transport is sent here by GatewayHostName with a port.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const tls = require('node:tls');
const { read } = require('./mqtt');
const { Inbox } = require('./wait');

const PORT = 9883;
const CONNECT = 1, SUBSCRIBE = 8;

class Proxy {
  static start(hub) {
    const proxy = new Proxy(hub);
    return new Promise((resolve) => proxy.server.listen(PORT, () => resolve(proxy)));
  }

  constructor(hub) {
    const file = (name) => fs.readFileSync(path.join(hub.dir, name));
    this.connects = new Inbox('connection through the proxy'); // a link per CONNECT seen
    this.links = new Set();
    this.server = tls.createServer({ cert: file('server.pem'), key: file('server-key.pem') }, (client) => {
      const up = tls.connect({ host: hub.host, port: 8883, servername: hub.host, ca: hub.ca });
      const link = { sent: [], client, up };
      this.links.add(link);
      let rest = Buffer.alloc(0);
      client.on('data', (chunk) => {
        up.write(chunk);
        const [packets, left] = read(Buffer.concat([rest, chunk]));
        rest = left;
        for (const packet of packets) {
          link.sent.push(packet.type);
          if (packet.type === CONNECT) this.connects.push(link);
        }
      });
      up.on('data', (chunk) => client.write(chunk));
      for (const [one, other] of [[client, up], [up, client]]) {
        one.on('error', () => {});
        one.on('close', () => {
          this.links.delete(link);
          other.destroy();
        });
      }
    });
  }

  // Lose every line, without a word of MQTT or TLS.
  cut() {
    for (const { client, up } of this.links) {
      client.destroy();
      up.destroy();
    }
  }

  stop() {
    this.cut();
    return new Promise((resolve) => this.server.close(resolve));
  }

  connectionString(hub, { deviceId, key }) {
    return `${hub.deviceConnectionString(deviceId, key)};GatewayHostName=${hub.host}:${PORT}`;
  }
}

module.exports = { Proxy, SUBSCRIBE };
