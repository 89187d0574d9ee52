// Server-sent events, of one job or of the event log: a reader that does what an EventSource does.
'use strict';
const https = require('node:https');
const { API } = require('./http');
const { Inbox } = require('./wait');

// Opens the stream; `next()` gives {id, event, data} one by one, and null at its end. `id` is what a client
// that comes back sends as Last-Event-ID.
function watch(rest, what, target, { lastEventId } = {}) {
  const inbox = new Inbox(`event of ${what}`);
  const headers = { Authorization: rest.token(), Accept: 'text/event-stream' };
  if (lastEventId !== undefined) headers['Last-Event-ID'] = lastEventId;
  return new Promise((resolve, reject) => {
    const request = https.get(
      { host: rest.hub.host, port: 443, path: `${target}api-version=${API}`, headers, agent: false },
      (response) => {
        const stream = {
          status: response.statusCode, headers: response.headers, id: lastEventId, next: () => inbox.next(),
          close: () => request.destroy(),
          // The data of the next event of that name; others are passed over.
          async take(name, fits = () => true) {
            for (let item = await inbox.next(); item; item = await inbox.next()) {
              if (item.event === name && fits(item.data)) return item.data;
            }
            throw new Error(`the stream of ${what} ended without ${name}`);
          },
          async rest() {
            const items = [];
            for (let item = await inbox.next(); item; item = await inbox.next()) items.push(item);
            return items;
          },
        };
        let text = '';
        response.on('data', (chunk) => {
          const parts = (text + chunk).split('\n\n');
          text = parts.pop();
          for (const part of parts) {
            const fields = Object.fromEntries(part.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
            if (fields.id) stream.id = fields.id;
            if (fields.data) inbox.push({ id: fields.id, event: fields.event, data: JSON.parse(fields.data) });
          }
        });
        response.on('error', () => inbox.push(null));
        response.on('end', () => inbox.push(null));
        resolve(stream);
      });
    request.on('error', reject);
  });
}

const watchJob = (rest, job, options) => watch(rest, job, `/jobs/v2/${job}/events?`, options);
const watchEvents = (rest, { query = '', ...options } = {}) => watch(rest, 'the log', `/events/stream?${query}&`, options);

module.exports = { watchEvents, watchJob };
