// MQTT 3.1.1 over TLS, byte by byte: a writer that does not mind what it writes.
'use strict';
const tls = require('node:tls');
const { Inbox, within } = require('./wait');
const { sas } = require('./sas');

const CONNACK = 2, PUBLISH = 3, PUBACK = 4, SUBACK = 9, UNSUBACK = 11, PINGRESP = 13;

const u16 = (n) => Buffer.from([(n >> 8) & 255, n & 255]);
const text = (s) => {
  const bytes = Buffer.from(s);
  return Buffer.concat([u16(bytes.length), bytes]);
};
function packet(first, ...parts) {
  const body = Buffer.concat(parts);
  const length = [];
  let n = body.length;
  do {
    length.push((n % 128) | (n >= 128 ? 128 : 0));
    n = Math.floor(n / 128);
  } while (n > 0);
  return Buffer.concat([Buffer.from([first, ...length]), body]);
}

const write = {
  connect({ clientId, username, password, clean = false, keepAlive = 60, protocol = 'MQTT', level = 4, will, flags }) {
    let bits = clean ? 2 : 0;
    const parts = [text(clientId)];
    if (will) {
      bits |= 4 | ((will.qos || 0) << 3) | (will.retain ? 32 : 0);
      parts.push(text(will.topic), text(will.payload));
    }
    if (username !== undefined) {
      bits |= 128;
      parts.push(text(username));
    }
    if (password !== undefined) {
      bits |= 64;
      parts.push(text(password));
    }
    const head = [text(protocol), Buffer.from([level, flags === undefined ? bits : flags]), u16(keepAlive)];
    return packet(0x10, ...head, ...parts);
  },
  publish({ topic, payload = '', qos = 0, id = 1, dup = false, retain = false }) {
    const first = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
    return packet(first, text(topic), qos ? u16(id) : Buffer.alloc(0), Buffer.from(payload));
  },
  subscribe(id, ...filters) {
    return packet(0x82, u16(id), ...filters.map(([filter, qos]) => Buffer.concat([text(filter), Buffer.from([qos])])));
  },
  unsubscribe(id, ...filters) {
    return packet(0xa2, u16(id), ...filters.map(text));
  },
  puback: (id) => packet(0x40, u16(id)),
  pingreq: () => packet(0xc0),
  disconnect: () => packet(0xe0),
  packet,
};

// Takes whole packets off the front of `bytes`: [packets, rest].
function read(bytes) {
  const packets = [];
  for (;;) {
    let length = 0, at = 1, shift = 1, byte;
    do {
      if (at >= bytes.length) return [packets, bytes];
      byte = bytes[at];
      length += (byte & 127) * shift;
      shift *= 128;
      at += 1;
    } while (byte & 128);
    if (bytes.length < at + length) return [packets, bytes];
    packets.push(parse(bytes[0], bytes.subarray(at, at + length)));
    bytes = bytes.subarray(at + length);
  }
}

function parse(first, body) {
  const type = first >> 4;
  if (type === PUBLISH) {
    const size = body.readUInt16BE(0);
    const qos = (first >> 1) & 3;
    const at = 2 + size + (qos ? 2 : 0);
    return {
      type, qos, retain: first & 1, dup: (first >> 3) & 1, topic: body.toString('utf8', 2, 2 + size),
      id: qos ? body.readUInt16BE(2 + size) : undefined, payload: body.toString('utf8', at),
    };
  }
  if (type === CONNACK) return { type, present: body[0], code: body[1], size: body.length };
  if (type === SUBACK) return { type, id: body.readUInt16BE(0), granted: [...body.subarray(2)] };
  return { type, id: body.length >= 2 ? body.readUInt16BE(0) : undefined };
}

class RawMqtt {
  // A socket after its TLS handshake; nothing is sent yet.
  static open(hub, options = {}) {
    return new Promise((resolve, reject) => {
      const socket = tls.connect({ host: hub.host, port: 8883, servername: hub.host, ...options });
      socket.once('secureConnect', () => resolve(new RawMqtt(hub, socket)));
      socket.once('error', reject);
    });
  }

  // Connected as a device with its key. Fails unless CONNACK says 0.
  static async connect(hub, device, options = {}) {
    const client = await RawMqtt.open(hub);
    const ack = await client.hello(device, options);
    if (!ack || ack.code !== 0) throw new Error(`CONNACK ${ack ? ack.code : 'missing'} for ${device.deviceId}`);
    client.present = ack.present;
    return client;
  }

  constructor(hub, socket) {
    this.hub = hub;
    this.socket = socket;
    this.rest = Buffer.alloc(0);
    this.inboxes = new Map();
    this.nextId = 1;
    socket.removeAllListeners('error');
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      const [packets, rest] = read(Buffer.concat([this.rest, chunk]));
      this.rest = rest;
      for (const one of packets) this.inbox(one.type).push(one);
    });
    this.isClosed = false;
    this.closed = new Promise((resolve) => socket.on('close', () => {
      this.isClosed = true;
      resolve();
    }));
  }

  inbox(type) {
    if (!this.inboxes.has(type)) this.inboxes.set(type, new Inbox(`packet of type ${type}`));
    return this.inboxes.get(type);
  }

  send(bytes) {
    this.socket.write(bytes);
    return this;
  }

  // CONNECT as {deviceId, moduleId?, key}; gives the CONNACK, or null when the hub just closed.
  hello({ deviceId, moduleId, key }, { token, username, clientId, password, ...options } = {}) {
    const host = this.hub.host;
    const name = moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`;
    const scope = moduleId === undefined ? deviceId : `${deviceId}/modules/${moduleId}`;
    const secret = password !== undefined ? password
      : token !== undefined ? token
      : sas({ sr: `${host}/devices/${scope}`, key });
    const user = username !== undefined ? username : `${host}/${name}/?api-version=2021-04-12`;
    this.send(write.connect({ clientId: clientId === undefined ? name : clientId, username: user, password: secret === null ? undefined : secret, ...options }));
    return Promise.race([this.inbox(CONNACK).next(), this.closed.then(() => null)]);
  }

  async subscribe(...filters) {
    const id = this.nextId++;
    this.send(write.subscribe(id, ...filters.map((f) => (Array.isArray(f) ? f : [f, 0]))));
    const ack = await this.inbox(SUBACK).next();
    if (ack.id !== id) throw new Error(`SUBACK ${ack.id} for ${id}`);
    return ack.granted;
  }

  async publish(topic, payload = '', { qos = 0, ...options } = {}) {
    const id = this.nextId++;
    this.send(write.publish({ topic, payload, qos, id, ...options }));
    if (qos) {
      const ack = await this.inbox(PUBACK).next();
      if (ack.id !== id) throw new Error(`PUBACK ${ack.id} for ${id}`);
    }
  }

  message(ms) {
    return this.inbox(PUBLISH).next(ms);
  }

  // True after a PINGRESP: all that was sent before is dealt with, and the connection lives.
  async ping() {
    this.send(write.pingreq());
    await this.inbox(PINGRESP).next();
    return true;
  }

  // Resolves when the hub ends the connection.
  gone(ms) {
    return within(this.closed, 'the hub closes the connection', ms);
  }

  // A clean goodbye; resolves when the connection is gone.
  async bye() {
    this.send(write.disconnect());
    await this.gone();
  }

  // Hang up without a word.
  async cut() {
    this.socket.destroy();
    await this.closed;
  }
}

module.exports = { CONNACK, PUBACK, PUBLISH, RawMqtt, SUBACK, UNSUBACK, read, write };
